//! Runs all services, and reports what they exported.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use otel_messaging_testing::collector::{Collected, Collector};
use tokio::{runtime::Runtime, time};

use crate::{
    Result,
    audit::{Audit, Hop},
    children::{self, Program},
    log, metrics, print,
    spans::{self, Forest},
    traces,
};

/// The longest time to delete what the brokers hold.
const CLEANING: Duration = Duration::from_secs(30);
/// The longest time for clients to close.
const CLOSING: Duration = Duration::from_secs(5);

/// Makes up what the names of a run end in, so that no other run has them.
pub fn suffix() -> String {
    format!("-{:06x}", RandomState::new().hash_one(()) & 0xff_ffff)
}

/// Runs the services and deletes what they left on the brokers; then prints the traces, the metrics
/// and the count. Fails if a service did, if the run was interrupted, or if something is missing.
pub fn run(
    programs: Vec<Program>,
    suffix: &str,
    orders: usize,
    hops: &[Hop],
    clean: impl Future<Output = Result>,
) -> Result {
    let services: Vec<_> = programs.iter().map(|program| program.service).collect();
    let collector = Collector::start()?;
    let runtime = Runtime::new()?;
    let ran = runtime.block_on(async {
        let ran = children::run(programs, suffix, &collector.endpoint()).await;
        let cleaned = time::timeout(CLEANING, clean).await;
        if let Err(error) = cleaned.unwrap_or_else(|late| Err(late.into())) {
            log(format_args!("please delete what ends in {suffix} on the brokers: {error}"));
        }
        ran
    });
    runtime.shutdown_timeout(CLOSING);
    let is_complete = report(&collector.collected(), &services, hops, orders);
    ran?;
    if is_complete { Ok(()) } else { Err("something is missing: see above".into()) }
}

fn report(collected: &Collected, services: &[&'static str], hops: &[Hop], orders: usize) -> bool {
    let spans = spans::of(collected, services);
    let forest = Forest::new(&spans);
    let audit = Audit::new(&forest, services, hops, orders);
    if !spans.is_empty() {
        print(traces::draw(&forest));
        print(metrics::draw(collected, services));
    }
    for refused in &collected.refused {
        log(format_args!("the collector got what is not OTLP: {refused}"));
    }
    let problems = audit.problems();
    for problem in &problems {
        log(problem);
    }
    print(&audit);
    problems.is_empty() && collected.refused.is_empty()
}
