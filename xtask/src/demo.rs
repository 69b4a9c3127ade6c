//! `cargo xtask demo`: builds and runs the orders pipeline of `examples/`.

use crate::{cargo, toolchain};
use std::{ffi::OsString, process::ExitCode};

/// The options are the demo's own, and so is the exit status.
pub(crate) fn run(options: &[OsString]) -> ExitCode {
    // librdkafka is C and C++: its build script would fail after a minute of building, and obscurely.
    if let Err(advice) = toolchain::check() {
        eprintln!("xtask: {advice}");
        return ExitCode::FAILURE;
    }
    // `cargo xtask demo -- --messages 3` is what fingers type.
    let options = options.strip_prefix(&["--".into()]).unwrap_or(options);
    cargo::run(
        cargo::command("run")
            .args(["--package", "otel-messaging-examples", "--bin", "orders", "--"])
            .args(options),
    )
}
