//! `cargo xtask bench`: runs the benchmarks of `benches/`.

use crate::cargo;
use std::{ffi::OsString, process::ExitCode};

/// Passes every argument to `cargo bench` (`--bench NAME`) and, after `--`, to criterion.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    cargo::run(
        cargo::command("bench")
            .args(["--package", "otel-messaging-benches", "--no-fail-fast"])
            .args(args),
    )
}
