//! Starting cargo, the same one that started us, and passing on how it ended.

use std::{
    env, io,
    process::{Command, ExitCode, ExitStatus},
};

/// A cargo command with its subcommand. The lock file is the one that was committed, always.
pub(crate) fn command(subcommand: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand).arg("--locked");
    command
}

/// Runs a command to its end, on our own terminal, and makes its exit status ours.
pub(crate) fn run(command: &mut Command) -> ExitCode {
    match command.status() {
        Ok(status) => exit_code(status),
        Err(error) => not_started(&error),
    }
}

/// Reports that cargo could not even be started.
pub(crate) fn not_started(error: &io::Error) -> ExitCode {
    eprintln!("xtask: cargo could not be started: {error}; is it in PATH?");
    ExitCode::FAILURE
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let Some(code) = status.code() else {
        eprintln!("xtask: the command did not end by itself: {status}");
        return ExitCode::FAILURE;
    };
    // Outside Unix a status has more than eight bits: what does not fit is still a failure.
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
