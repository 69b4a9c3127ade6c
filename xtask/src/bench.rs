//! `cargo xtask bench`: runs the benchmarks of `benches/`.

mod brokers;
mod instructions;

use crate::{UsageError, cargo};
use std::{ffi::OsString, process::ExitCode};

/// Runs `brokers` or `instructions`. Passes all other arguments to `cargo bench` (`--bench NAME`)
/// and, after `--`, to criterion.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode, UsageError> {
    match args.split_first() {
        Some((first, rest)) if first == "brokers" => Ok(brokers::run(rest)),
        Some((first, rest)) if first == "instructions" => instructions::run(rest),
        _ => Ok(cargo::run(
            cargo::command("bench")
                .args(["--package", "otel-messaging-benches", "--no-fail-fast"])
                .args(args),
        )),
    }
}
