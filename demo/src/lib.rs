//! What the two demo programs share: they run each service as a process of its own, collect what
//! the services export over OTLP, print it, and check that every order can be followed.

pub mod all;
pub mod audit;
pub mod children;
pub mod kafka;
pub mod metrics;
pub mod sampled;
pub mod service;
pub mod spans;
pub mod telemetry;
pub mod web;

use std::{
    error::Error,
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

/// The result of whatever a service or the demo does.
pub type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Prints a line to standard output. It is no error if nobody reads it (`| head`).
pub fn print(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line to standard error, likewise.
pub fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Ends a program: logs the error, if there is one, and returns the exit status.
pub fn exit(result: Result) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    log(format_args!("failed: {error}"));
    ExitCode::FAILURE
}
