//! `cargo xtask bench brokers`: measures what instrumentation adds on real brokers.

use crate::{brokers, cargo, toolchain};
use std::{
    ffi::OsString,
    fs,
    path::PathBuf,
    process::{Command, ExitCode},
};

const PACKAGE: &str = "otel-messaging-bench-brokers";

/// Builds the program with plain and with bound instruments, starts the brokers that the named
/// scenarios need, and runs it. The arguments are the program's.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let programs = match build() {
        Ok(programs) => programs,
        Err(cause) => {
            eprintln!("xtask: {cause}");
            return ExitCode::FAILURE;
        }
    };
    let mut command = Command::new(programs.plain);
    command.current_dir(cargo::root()).arg("--bound-program").arg(programs.bound).args(args);
    let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let reads_only = |word: &str| matches!(word, "-h" | "--help" | "--report");
    if !words.iter().any(|word| reads_only(word)) {
        let Some(environment) = brokers::up_those(|broker| is_needed(broker, &words)) else {
            eprintln!("xtask: a broker could not be started (see above)");
            return ExitCode::FAILURE;
        };
        command.envs(environment);
    }
    cargo::run(&mut command)
}

/// Both builds of the program.
struct Programs {
    plain: PathBuf,
    bound: PathBuf,
}

/// Builds the program twice, as instruments are bound by a Cargo feature.
fn build() -> Result<Programs, String> {
    toolchain::check()?;
    let directory = cargo::root().join("target/bench-brokers");
    let build = |name: &str, features: &str| {
        let built = cargo::build_release(PACKAGE, PACKAGE, features)?;
        // The second build replaces what the first has left there.
        let target = directory.join(name);
        fs::create_dir_all(&directory)
            .and_then(|()| fs::copy(&built, &target))
            .map_err(|error| format!("{} to {}: {error}", built.display(), target.display()))?;
        Ok::<_, String>(target)
    };
    Ok(Programs { plain: build("plain", "")?, bound: build("bound", "bound-instruments")? })
}

/// Returns whether one of the scenarios on the command line needs the broker; all are needed if
/// none is named.
fn is_needed(broker: &str, words: &[impl AsRef<str>]) -> bool {
    let mut brokers = words.iter().filter_map(|word| match word.as_ref().split('-').next() {
        Some("kafka") => Some("kafka"),
        Some("nats" | "jetstream") => Some("nats"),
        Some("rabbitmq") => Some("rabbitmq"),
        _ => None,
    });
    let first = brokers.next();
    first.is_none_or(|first| first == broker) || brokers.any(|other| other == broker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_brokers_of_the_named_scenarios_are_started() {
        let needed = |words: &[&str]| -> Vec<_> {
            ["kafka", "rabbitmq", "nats"]
                .into_iter()
                .filter(|broker| is_needed(broker, words))
                .collect()
        };
        assert_eq!(needed(&["--quick"]), ["kafka", "rabbitmq", "nats"]);
        assert_eq!(needed(&["jetstream-fetch", "kafka", "--rounds", "3"]), ["kafka", "nats"]);
        assert_eq!(needed(&["rabbitmq-consume"]), ["rabbitmq"]);
    }
}
