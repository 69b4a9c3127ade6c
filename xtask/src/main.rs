//! `cargo xtask`: the commands of this workspace, one file each.

mod bench;
mod brokers;
mod browser;
mod cargo;
mod demo;
mod soak;
mod test;
mod toolchain;

use std::{env, ffi::OsString, process::ExitCode};

const USAGE: &str = "\
Usage: cargo xtask <command>

  demo [options]                  run the orders pipeline on an embedded Kafka and show its traces
                                  (cargo xtask demo --help lists its options)
                                  (--html FILE writes them as a page)
  demo --all [options]            run five services on real Kafka, RabbitMQ and NATS, and show
                                  their traces (cargo xtask demo --all --help)
  test [--embedded] [-- args..]   run every test, or only those that need no broker; args go to the
                                  test harness
  brokers up|down|kill|status ..  start, stop or show real brokers
  soak [--minutes N] [--seed N]   run mixed load on own brokers that are killed, and account for all
                                  messages, spans and metrics (cargo xtask soak --help)
  browser                         find or install Chromium, which the viewer's tests drive
  pictures                        take the viewer's pictures of docs/pictures again
  bench [args..]                  run the benchmarks; args go to cargo bench
  bench brokers [scenario..]      measure what is added to a message on real brokers
                                  (cargo xtask bench brokers --help lists scenarios and options)
  bench instructions [--bless]    count the instructions of the core's paths, and compare them
  help                            show this
";

/// Reports a wrong command line. The text says what is wrong.
struct UsageError(String);

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let command = args.next();
    let rest: Vec<OsString> = args.collect();
    let outcome = match command.as_ref().map(|command| command.to_string_lossy()).as_deref() {
        Some("demo") => Ok(demo::run(&rest)),
        Some("test") => test::run(&rest),
        Some("brokers") => brokers::run(&rest),
        Some("soak") => Ok(soak::run(&rest)),
        Some("browser") => Ok(browser::run()),
        Some("pictures") => Ok(browser::pictures()),
        Some("bench") => bench::run(&rest),
        Some("help" | "-h" | "--help") => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        Some(unknown) => Err(UsageError(format!("there is no command `{unknown}`"))),
        None => Err(UsageError("name a command".into())),
    };
    outcome.unwrap_or_else(|UsageError(cause)| {
        eprint!("xtask: {cause}\n\n{USAGE}");
        ExitCode::from(2)
    })
}
