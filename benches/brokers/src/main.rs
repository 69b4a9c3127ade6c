//! Measures what instrumentation adds on real brokers. `cargo xtask bench brokers` builds this
//! program twice, with plain and with bound instruments, and starts the brokers.
//!
//! The driver starts a process for each mode and round, in turns, so that each has its own heap and
//! its own peak memory, and so that a busy machine slows all modes. `mode.rs` has the modes,
//! `scenario.rs` the scenarios and their budgets, `kafka.rs` and its neighbours what they do.

mod by_hand;
mod calibration;
mod child;
mod driver;
mod in_flight;
mod jetstream;
mod kafka;
mod machine;
mod measure;
mod mode;
mod nats;
mod options;
mod rabbitmq;
mod record;
mod report;
mod run;
mod scenario;
mod statistics;

use std::{env, process, process::ExitCode};

use otel_messaging_benches::allocations::CountingAllocator;
use serde::{Deserialize, Serialize};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The messages of a batch.
const BATCH: usize = 500;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A destination of a broker.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    endpoint: String,
    name: String,
}

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    if let (Some(first), Some(job)) = (args.next(), args.next())
        && first == child::ARGUMENT
    {
        child::main(&job);
    }
    match options::parse().and_then(|options| driver::main(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(cause: &str) -> ! {
    eprintln!("bench brokers: {cause}");
    process::exit(1)
}
