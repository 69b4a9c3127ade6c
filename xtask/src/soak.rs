//! `cargo xtask soak`: builds and runs the soak of `soak/`.

use crate::{cargo, toolchain};
use std::{ffi::OsString, process::ExitCode};

/// The package of the soak. Its short run is a test that needs brokers.
pub(crate) const PACKAGE: &str = "otel-messaging-soak";

/// Passes the options to the soak and returns its exit status. It starts its brokers itself.
pub(crate) fn run(options: &[OsString]) -> ExitCode {
    if let Err(advice) = toolchain::check() {
        eprintln!("xtask: {advice}");
        return ExitCode::FAILURE;
    }
    cargo::run(cargo::command("run").args(["--package", PACKAGE, "--"]).args(options))
}
