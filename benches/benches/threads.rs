//! Measures what a send costs from one thread, and from two at once on one handle: shared reference
//! counts and locks make it dearer. A ratio over the budget makes the exit status non-zero.
//!
//! Scenarios: the core, sampled out, recording, and recording with metrics; the idiomatic reference,
//! sampled out and recording. The figures are the CPU of the threads, so that they are those of a
//! busy machine, too, as long as both threads run at the same time. A time is the best of the rounds.
//!
//! ```text
//! cargo bench -p otel-messaging-benches --bench threads
//! cargo bench -p otel-messaging-benches --bench threads --features bound-instruments
//! ```
//!
//! Without cargo's `--bench` (`cargo test --all-targets`) each row runs once, without a budget.

use std::{env, process::ExitCode, sync::Barrier, thread, time::Duration};

use otel_messaging_benches::{
    idiomatic,
    ours::{self, Rung},
    providers::Sampling,
    record::Record,
};
use rustix::time::{ClockId, clock_gettime};

/// The most that a second thread makes a send dearer.
const BUDGET: f64 = 1.5;

fn main() -> ExitCode {
    let is_judged = env::args().any(|argument| argument == "--bench");
    let (rounds, sends) = if is_judged { (41, 20_000) } else { (1, 10) };
    let mut missed = 0;
    println!("{:<28} {:>12} {:>12} {:>7}", "path", "one thread", "two threads", "ratio");
    let mut row = |name: &str, budget: Option<f64>, send: &(dyn Fn(&mut Record) + Sync)| {
        let [one, two] = [1, 2].map(|threads| {
            let times = (0..rounds).map(|_| nanoseconds(threads, sends, send));
            times.fold(f64::INFINITY, f64::min)
        });
        let ratio = two / one;
        let verdict = match budget {
            Some(budget) if ratio > budget => "OVER",
            Some(_) => "ok",
            None => "reference",
        };
        missed += usize::from(verdict == "OVER");
        println!("{name:<28} {one:>9.1} ns {two:>9.1} ns {ratio:>7.2} {verdict}");
    };
    for rung in [Rung::SampledOut, Rung::Recording, Rung::WithMetrics] {
        let instrumenter = rung.instrumenter();
        let name = format!("send, {}", rung.name());
        row(&name, Some(BUDGET), &|record| ours::send(&instrumenter, record));
    }
    for (name, sampling) in
        [("sampled out", Sampling::SampledOut), ("recording", Sampling::Recording)]
    {
        let idiomatic = idiomatic::Traced::new(sampling);
        row(&format!("idiomatic, {name}"), None, &|record| idiomatic.send(record));
    }
    if is_judged && missed > 0 {
        println!("{missed} over {BUDGET}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Returns the CPU of one send, from this number of threads at once.
fn nanoseconds(threads: u32, sends: u32, send: &(dyn Fn(&mut Record) + Sync)) -> f64 {
    let barrier = Barrier::new(threads as usize);
    let timed = || {
        let mut record = Record::outgoing();
        send(&mut record);
        barrier.wait();
        let start = cpu();
        (0..sends).for_each(|_| send(&mut record));
        cpu().saturating_sub(start)
    };
    let total: Duration = thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(timed)).collect();
        all.into_iter().flat_map(thread::ScopedJoinHandle::join).sum()
    });
    total.as_nanos() as f64 / f64::from(threads * sends)
}

fn cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
