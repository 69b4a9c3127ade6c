//! A day of orders on three brokers: five services, each a process of its own, from one binary.
//!
//! The files to read are `shop.rs`, `stock.rs`, `billing.rs`, `mailer.rs` and `nightly.rs`: nothing
//! in them but an import tells that they are instrumented, and `process`. `all` runs the five and
//! checks what they have exported.

mod all;
mod billing;
mod day;
mod declare;
mod mailer;
mod nightly;
mod options;
mod progress;
mod service;
mod shop;
mod stock;
mod stop;
mod telemetry;

use crate::options::{Command, USAGE};
use std::{
    env,
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

/// What a service may fail with.
type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let outcome = match options::parse(env::args_os().skip(1)) {
        Ok(Command::Help) => {
            print!("{USAGE}");
            Ok(())
        }
        Ok(Command::Service { service, orders }) => service::run(service, orders),
        Ok(Command::All { orders, variables }) => all::run(orders, &variables),
        Err(cause) => {
            eprint!("services: {cause}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Tells a person how things are going, also if nobody reads it any more.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
