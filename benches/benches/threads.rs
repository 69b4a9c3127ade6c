//! Measures what a send costs from one thread, and from two at once on one handle: shared reference
//! counts and locks make it dearer. A ratio over the budget makes the exit status non-zero.
//!
//! Scenarios: the core, sampled out, recording, and recording with metrics; the idiomatic reference
//! and the SDK alone, sampled out and recording. The figures are the CPU of the threads: the median of the rounds in which
//! all threads ran at the same time. A machine too busy for such rounds is an error.
//!
//! ```text
//! cargo bench -p otel-messaging-benches --bench threads
//! cargo bench -p otel-messaging-benches --bench threads --features bound-instruments
//! ```
//!
//! Without cargo's `--bench` (`cargo test --all-targets`) each row runs once, without a budget.

use std::{
    env,
    process::ExitCode,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use otel_messaging_benches::{
    idiomatic,
    ours::{self, Rung},
    providers::Sampling,
    record::Record,
    sdk,
};
use rustix::time::{ClockId, clock_gettime};

/// The most that a second thread makes a send dearer.
const BUDGET: f64 = 1.5;

fn main() -> ExitCode {
    let is_judged = env::args().any(|argument| argument == "--bench");
    let (rounds, sends) = if is_judged { (41, 5_000) } else { (1, 10) };
    let mut missed = 0;
    println!("{:<28} {:>12} {:>12} {:>7}", "path", "one thread", "two threads", "ratio");
    let mut row = |name: &str, budget: Option<f64>, send: &(dyn Fn(&mut Record) + Sync)| {
        let [one, two] = [1, 2].map(|threads| {
            // A busy machine disturbs most rounds.
            let attempts = (0..50 * rounds).filter_map(|_| nanoseconds(threads, sends, send));
            median(attempts.take(rounds).collect())
        });
        let (Some(one), Some(two)) = (one, two) else {
            println!("{name:<28} was not measured: the machine is too busy");
            missed += usize::from(budget.is_some());
            return;
        };
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
        let sdk = sdk::Spans::new("kafka", sampling);
        row(&format!("the SDK alone, {name}"), None, &|_| sdk.send());
    }
    if is_judged && missed > 0 {
        println!("{missed} over {BUDGET}, or not measured");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Returns the CPU of one send, from this number of threads at once; `None` if they did not run at the
/// same time, as a thread had to wait for a core.
fn nanoseconds(threads: u32, sends: u32, send: &(dyn Fn(&mut Record) + Sync)) -> Option<f64> {
    let barrier = Barrier::new(threads as usize);
    let timed = || {
        let mut record = Record::outgoing();
        send(&mut record);
        barrier.wait();
        let (clock, start) = (Instant::now(), cpu());
        (0..sends).for_each(|_| send(&mut record));
        let taken = cpu().saturating_sub(start);
        (taken.as_secs_f64() > 0.9 * clock.elapsed().as_secs_f64()).then_some((clock, taken))
    };
    let all: Option<Vec<(Instant, Duration)>> = thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(timed)).collect();
        all.into_iter().map(|thread| thread.join().ok().flatten()).collect()
    });
    let (starts, taken): (Vec<_>, Vec<_>) = all?.into_iter().unzip();
    let apart = starts.iter().max()?.duration_since(*starts.iter().min()?);
    let total: Duration = taken.into_iter().sum();
    let is_together = apart.as_secs_f64() < 0.1 * total.as_secs_f64() / f64::from(threads);
    is_together.then(|| total.as_nanos() as f64 / f64::from(threads * sends))
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

fn cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
