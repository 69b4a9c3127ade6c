//! `cargo xtask demo`: builds and runs the orders pipeline of `examples/`; with `--all`, its services
//! on real brokers.

use crate::{
    brokers::{self, Broker},
    cargo, toolchain,
};
use std::{
    ffi::OsString,
    process::{ExitCode, Stdio},
};

const ORDERS: [&str; 4] = ["--package", "otel-messaging-examples", "--bin", "orders"];
const SERVICES: [&str; 4] = ["--package", "otel-messaging-services", "--bin", "services"];

/// The options are the demo's own, and so is the exit status.
pub(crate) fn run(options: &[OsString]) -> ExitCode {
    // librdkafka is C and C++: its build script would fail after a minute of building, and obscurely.
    if let Err(advice) = toolchain::check() {
        eprintln!("xtask: {advice}");
        return ExitCode::FAILURE;
    }
    // `cargo xtask demo -- --messages 3` is what fingers type.
    let options = options.strip_prefix(&["--".into()]).unwrap_or(options);
    let (all, options): (Vec<_>, Vec<_>) = options.iter().partition(|option| *option == "--all");
    if all.is_empty() {
        return cargo::run(cargo::command("run").args(ORDERS).arg("--").args(options));
    }
    run_all(&options)
}

/// Brings up what is missing, and leaves it running for the next time.
fn run_all(options: &[&OsString]) -> ExitCode {
    let services = |options: &[&OsString]| {
        let mut services = cargo::command("run");
        services.args(SERVICES).args(["--", "all"]).args(options);
        services
    };
    let is_help = |option: &&OsString| *option == "-h" || *option == "--help";
    if options.iter().any(is_help) {
        return cargo::run(&mut services(options));
    }
    // What does not build, or has a wrong option, needs no broker: asked for help, it stops there.
    let understood = cargo::run(services(options).arg("--help").stdout(Stdio::null()));
    if understood != ExitCode::SUCCESS {
        return understood;
    }
    let Ok(environment) = brokers::up(&Broker::ALL) else {
        eprintln!(
            "xtask: the demo needs a broker that could not be had (see above); to run the one that \
             needs none: cargo xtask demo"
        );
        return ExitCode::FAILURE;
    };
    let status = cargo::run(services(options).envs(environment));
    eprintln!("xtask: brokers that were started are left running: cargo xtask brokers down");
    status
}
