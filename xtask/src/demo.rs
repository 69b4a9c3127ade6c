//! `cargo xtask demo`: builds and runs the demo of `demo/`.

use crate::{brokers, cargo, toolchain};
use std::{
    ffi::OsString,
    process::{Command, ExitCode, Stdio},
};

/// The package of the demo. Its tests need brokers.
pub(crate) const PACKAGE: &str = "otel-messaging-demo";
/// The binary with the pipeline on an embedded Kafka.
const ORDERS: &str = "orders";
/// The binary with the services on real brokers.
const SERVICES: &str = "services";

/// Passes the options to the demo and returns its exit status. `--all` chooses the services.
pub(crate) fn run(options: &[OsString]) -> ExitCode {
    // Without this check the build of librdkafka fails after a minute with an unclear message.
    if let Err(advice) = toolchain::check() {
        eprintln!("xtask: {advice}");
        return ExitCode::FAILURE;
    }
    // `cargo xtask demo -- --messages 3` is a usual way to type it.
    let options = options.strip_prefix(&["--".into()]).unwrap_or(options);
    let (all, options): (Vec<_>, Vec<_>) = options.iter().partition(|option| *option == "--all");
    if all.is_empty() { cargo::run(binary(ORDERS).args(options)) } else { run_all(&options) }
}

/// Starts the brokers that are missing, runs the services, and leaves the brokers running.
fn run_all(options: &[&OsString]) -> ExitCode {
    let services = || {
        let mut services = binary(SERVICES);
        services.arg("all").args(options);
        services
    };
    if options.iter().any(|option| *option == "-h" || *option == "--help") {
        return cargo::run(&mut services());
    }
    // With `--help` the services check their options and stop. A build error or a wrong option is
    // reported before any broker is started.
    let checked = cargo::run(services().arg("--help").stdout(Stdio::null()));
    if checked != ExitCode::SUCCESS {
        return checked;
    }
    let Some(environment) = brokers::up_all() else {
        eprintln!(
            "xtask: a broker that the demo needs could not be started (see above); the demo \
             without brokers: cargo xtask demo"
        );
        return ExitCode::FAILURE;
    };
    let status = cargo::run(services().envs(environment));
    eprintln!("xtask: the brokers are left running; to stop them: cargo xtask brokers down");
    status
}

fn binary(name: &str) -> Command {
    let mut command = cargo::command("run");
    command.args(["--package", PACKAGE, "--bin", name, "--"]);
    command
}
