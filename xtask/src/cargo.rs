//! Starts cargo and returns its exit status.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// Returns the workspace: cargo names the package that it runs.
pub(crate) fn root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    package.parent().map(Path::to_path_buf).unwrap_or_default()
}

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

/// Builds a program in release mode. Returns the file, which the next build may replace.
pub(crate) fn build_release(
    package: &str,
    program: &str,
    features: &str,
) -> Result<PathBuf, String> {
    let mut command = command("build");
    command.current_dir(root()).args(["--release", "--package", package, "--bin", program]);
    let status = command
        .args(["--features", features])
        .status()
        .map_err(|error| format!("cargo could not be started: {error}; is it in PATH?"))?;
    if !status.success() {
        return Err(format!("{program} does not build: see above"));
    }
    Ok(root().join("target/release").join(program))
}
