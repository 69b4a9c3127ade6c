//! Orders on their way through three services that talk over Kafka, and the telemetry they leave:
//! what `cargo xtask demo` runs.
//!
//! A shop takes requests and sends an order for each; billing processes every order and forwards an
//! invoice; the ledger books invoices in batches. The files to read are `shop.rs`, `billing.rs` and
//! `ledger.rs`: nothing in them but an import tells that they are instrumented, and `process`.

mod accounts;
mod billing;
mod cluster;
mod failure;
mod intake;
mod ledger;
mod metrics;
mod options;
mod order;
mod pipeline;
mod progress;
mod report;
mod shop;
mod telemetry;
mod trade;

use crate::{
    failure::Failure,
    intake::Intake,
    options::{Command, Options, USAGE},
    report::Report,
    telemetry::{Otlp, Service},
};
use std::{env, process::ExitCode};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    match options::parse(env::args_os().skip(1)) {
        Ok(Command::Help) => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        Ok(Command::Run(options)) => run(&options).unwrap_or_else(|failure| {
            eprintln!("orders: {failure}");
            ExitCode::from(failure.status)
        }),
        Err(cause) => {
            eprint!("orders: {cause}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Sets up what is not asynchronous, and tears it down again.
fn run(options: &Options) -> Result<ExitCode, Failure> {
    let mut intake = Intake::open(&options.source)?;
    let otlp = Otlp::from_env();
    let services = [
        Service::new("shop", &otlp)?,
        Service::new("billing", &otlp)?,
        Service::new("ledger", &otlp)?,
    ];
    let runtime = Runtime::new()
        .map_err(|error| Failure::new(format!("the runtime did not start: {error}")))?;
    let mut report = Report::new(&services, &otlp);
    let result = runtime.block_on(trade::trade(options, &mut intake, &services, &mut report));
    runtime.shutdown_background(); // There may be a client that cannot close.
    Ok(report.close(&intake, result))
}
