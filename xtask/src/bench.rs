//! `cargo xtask bench`: the performance ladder of `benches/`.

use crate::cargo;
use std::{ffi::OsString, process::ExitCode};

/// Every argument is cargo's (`--bench NAME`) or, after `--`, criterion's.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    cargo::run(
        cargo::command("bench")
            .args(["--package", "otel-messaging-benches", "--no-fail-fast"])
            .args(args),
    )
}
