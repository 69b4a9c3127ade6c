//! Runs all services, and reports what they exported.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Arg, value_parser};
use otel_messaging_testing::collector::{Collected, Collector};
use otel_messaging_view::Traces;
use tokio::{runtime::Runtime, time};

use crate::{
    Result,
    audit::{Audit, Hop},
    children::{self, Program},
    log, metrics, print,
    sampled::Sampled,
    spans,
};

/// The longest time to delete what the brokers hold.
const CLEANING: Duration = Duration::from_secs(30);
/// The longest time for clients to close.
const CLOSING: Duration = Duration::from_secs(5);

/// Makes up what the names of a run end in, so that no other run has them.
pub fn suffix() -> String {
    format!("-{:06x}", RandomState::new().hash_one(()) & 0xff_ffff)
}

/// Makes the option that names the file for the traces as a page.
pub fn html() -> Arg {
    Arg::new("html")
        .long("html")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Write the traces also as an HTML page, which follows their links in both directions")
}

/// Runs the services and deletes what they left on the brokers; then prints the traces, the metrics
/// and the count, and writes the traces to the file `html`. Fails if a service did, if the run was
/// interrupted, if something is missing, or if the file cannot be written. With a sampler, nothing
/// is missing: what it kept is counted instead.
pub fn run(
    programs: Vec<Program>,
    suffix: &str,
    orders: usize,
    hops: &[Hop],
    html: Option<&PathBuf>,
    sampler: Option<&str>,
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
    let traces = spans::of(&collector.collected(), &services);
    let is_complete = report(&collector.collected(), &traces, &services, hops, orders, sampler);
    let written = html.map_or(Ok(()), |html| write(html, &traces, orders));
    ran.and(written)?;
    if is_complete { Ok(()) } else { Err("something is missing: see above".into()) }
}

fn write(html: &Path, traces: &Traces, orders: usize) -> Result {
    fs::write(html, traces.html(&format!("{orders} orders")))
        .map_err(|error| format!("cannot write {}: {error}", html.display()))?;
    log(format_args!("the traces are in {}: open it in a browser", html.display()));
    Ok(())
}

fn report(
    collected: &Collected,
    traces: &Traces,
    services: &[&'static str],
    hops: &[Hop],
    orders: usize,
    sampler: Option<&str>,
) -> bool {
    let audit = Audit::new(traces, services, hops, orders);
    if !traces.spans.is_empty() {
        print(traces.text());
        print(metrics::draw(collected, services));
    }
    for refused in &collected.refused {
        log(format_args!("the collector got what is not OTLP: {refused}"));
    }
    if let Some(sampler) = sampler {
        print(Sampled::new(traces, sampler, orders, hops));
        return collected.refused.is_empty();
    }
    let problems = audit.problems();
    for problem in &problems {
        log(problem);
    }
    print(&audit);
    problems.is_empty() && collected.refused.is_empty()
}
