//! Measures how fast this machine is, with a reference that does not depend on our code.

use std::time::Duration;

use otel_messaging_benches::{idiomatic, providers::Sampling, record::Record};
use rustix::time::{ClockId, clock_gettime};

/// The CPU of [`careful_send`] on the machine of the budgets, in nanoseconds.
pub(crate) const REFERENCE: f64 = 456.0;

/// Returns the CPU nanoseconds of a recorded send by the careful code of the core's benchmarks: the
/// best of some runs.
pub(crate) fn careful_send() -> f64 {
    const SENDS: u32 = 20_000;
    let idiomatic = idiomatic::Traced::new(Sampling::Recording);
    let mut record = Record::outgoing();
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let start = cpu();
        for _ in 0..SENDS {
            idiomatic.send(&mut record);
        }
        let taken = cpu().saturating_sub(start).as_nanos() as f64;
        best = best.min(taken / f64::from(SENDS));
    }
    best
}

fn cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
