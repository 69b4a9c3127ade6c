//! All services at once, each a process of its own, and what they have exported.

mod audit;
mod children;
mod otlp;

use self::audit::Audit;
use crate::{Result, day::Day, declare, options::Variable, say, service::Service};
use otel_messaging_examples::{
    metrics,
    traces::{self, Forest},
};
use otel_messaging_testing::collector::{Collected, Collector};
use std::{
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    time::Duration,
};
use tokio::{runtime::Runtime, time};

/// What the brokers hold is removed in it, if they are still there.
const CLEANING: Duration = Duration::from_secs(30);
const CLOSING: Duration = Duration::from_secs(5);

/// Runs a day of orders, shows what was exported, and fails if anything is missing.
pub(crate) fn run(orders: u64, variables: &[Variable]) -> Result {
    let suffix = RandomState::new().hash_one("the brokers may be somebody's") & 0xff_ffff;
    let day = Day::from_env(orders)?.with_suffix(format!("-{suffix:06x}"));
    let collector = Collector::start()?;
    let names = Service::ALL.map(Service::name).join(", ");
    show(&format!("{orders} orders go through {names}.\n"));

    let runtime = Runtime::new()?;
    let ran = runtime.block_on(async {
        let ran = children::run(&day, variables, &collector.endpoint()).await;
        let removed = time::timeout(CLEANING, declare::remove(&day)).await;
        if let Err(cause) = removed.unwrap_or_else(|late| Err(late.into())) {
            say(&format!("please remove what ends in {}: {cause}", day.suffix()));
        }
        ran
    });
    runtime.shutdown_timeout(CLOSING);

    let is_complete = report(&collector.collected(), orders);
    ran?;
    if is_complete { Ok(()) } else { Err("something is missing: see above".into()) }
}

/// The traces, the metrics, what is missing, and the count.
fn report(collected: &Collected, orders: u64) -> bool {
    let spans = otlp::spans(collected);
    let forest = Forest::new(&spans);
    let audit = Audit::new(&forest, orders);
    if !spans.is_empty() {
        show(&traces::draw(&forest));
    }
    let rows = otlp::metrics(collected);
    if !rows.is_empty() {
        show(&metrics::draw(rows.into_iter()));
    }
    show(&audit.table());
    for refused in &collected.refused {
        say(&format!("what came was no OTLP: {refused}"));
    }
    for complaint in audit.complaints() {
        say(&complaint);
    }
    show(&audit.to_string());
    audit.is_complete() && collected.refused.is_empty()
}

/// Prints a line, also if nobody reads it any more (`| head`): the exit status still counts.
fn show(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}
