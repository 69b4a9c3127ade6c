//! Starts cargo and returns its exit status.

use std::{
    env,
    process::{Command, ExitCode},
};

/// Builds a command of the cargo that started us. `--locked` keeps the committed lock file.
pub(crate) fn command(subcommand: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand).arg("--locked");
    command
}

/// Runs a command on our terminal until it ends, and returns its exit status.
pub(crate) fn run(command: &mut Command) -> ExitCode {
    match command.status() {
        // There is no code after a signal, and outside Unix it can have more than eight bits.
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            ExitCode::from(code.unwrap_or(1))
        }
        Err(error) => {
            eprintln!("xtask: cargo could not be started: {error}; is it in PATH?");
            ExitCode::FAILURE
        }
    }
}
