//! Measures the core's budgets (section 7 of the design). A row over its budget makes the exit
//! status non-zero.
//!
//! Scenarios: a send that is recorded, sampled out or disabled; a batch of 100, 1,000 and 10,000
//! messages without and with an attribute for each message; the two metrics of a send. Contenders
//! run in turns within one process, so that a busy machine slows down all of them. A ratio is the
//! median of the ratios of all rounds, a time is that of the best round.
//!
//! ```text
//! cargo bench -p otel-messaging-benches --bench budgets
//! cargo bench -p otel-messaging-benches --bench budgets --features bound-instruments
//! ```
//!
//! Without cargo's `--bench` (`cargo test --all-targets`) each row runs once, without a budget.

use std::{env, process::ExitCode, time::Instant};

use otel_messaging_benches::{
    allocations::{CountingAllocator, count},
    bare, hand_written, idiomatic,
    ours::{self, Rung},
    providers::Sampling,
    record::Record,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The maximum ratio of the time per link at 10,000 to that at 100 that counts as linear. It is
/// over 1, as the links of 10,000 messages do not fit into the CPU caches that hold those of 100.
const LINEAR: f64 = 1.5;

fn main() -> ExitCode {
    let judged = env::args().any(|argument| argument == "--bench");
    let mut report = Report::new(if judged { Effort::FULL } else { Effort::SMOKE });
    report.send();
    report.disabled();
    report.without_providers();
    report.batch("no attribute", false, 0.25, 0.0);
    report.batch("one attribute", true, 0.35, 1.0);
    report.metrics();
    if judged && report.missed > 0 {
        println!("{} over budget", report.missed);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The number of rounds, and the length of each.
struct Effort {
    rounds: usize,
    nanoseconds: u128,
}

impl Effort {
    const FULL: Self = Self { rounds: 101, nanoseconds: 2_000_000 };
    const SMOKE: Self = Self { rounds: 1, nanoseconds: 1 };
}

/// Prints the table row by row, and counts the rows over their budget.
struct Report {
    effort: Effort,
    missed: u32,
}

impl Report {
    fn new(effort: Effort) -> Self {
        println!(
            "{:<44} {:>12} {:>12} {:>7} {:>10}",
            "path", "measured", "reference", "ratio", "budget"
        );
        Self { effort, missed: 0 }
    }

    fn send(&mut self) {
        for (path, rung, sampling, budget) in [
            ("send, recording", Rung::Recording, Sampling::Recording, 0.6),
            ("send, sampled out", Rung::SampledOut, Sampling::SampledOut, 0.5),
        ] {
            let instrumenter = rung.instrumenter();
            let idiomatic = idiomatic::Traced::new(sampling);
            let hand_written = hand_written::Traced::new(sampling);
            let (mut a, mut b, mut c) =
                (Record::outgoing(), Record::outgoing(), Record::outgoing());
            let times = self.in_turns(
                1,
                [
                    &mut timed(|| ours::send(&instrumenter, &mut a)),
                    &mut timed(|| idiomatic.send(&mut b)),
                    &mut timed(|| hand_written.send(&mut c)),
                ],
            );
            let [ours, by_idiom, by_hand] = &times;
            self.ratio(&format!("{path} / idiomatic"), ours, by_idiom, budget);
            if rung == Rung::Recording {
                self.ratio(&format!("{path} / hand-written"), ours, by_hand, 0.5);
            }
            let mut record = Record::outgoing();
            let measured = count(|| ours::send(&instrumenter, &mut record)) as f64;
            let reference = count(|| idiomatic.send(&mut record)) as f64;
            self.allocations(&format!("{path}, allocations"), measured, reference, 2.0);
        }
    }

    fn disabled(&mut self) {
        let instrumenter = Rung::Disabled.instrumenter();
        let (mut a, mut b) = (Record::outgoing(), Record::outgoing());
        let times = self.in_turns(
            1,
            [&mut timed(|| ours::send(&instrumenter, &mut a)), &mut timed(|| bare::send(&mut b))],
        );
        let [ours, bare] = times.each_ref().map(|times| best(times));
        self.row("send, disabled: over bare", &time(ours - bare), &time(bare), "-", "2 ns", {
            ours - bare <= 2.0
        });
        let mut record = Record::outgoing();
        let measured = count(|| ours::send(&instrumenter, &mut record)) as f64;
        self.allocations("send, disabled, allocations", measured, 0.0, 0.0);
    }

    /// Compares missing providers with spans or metrics switched off, which should cost the same.
    /// The measurement includes the lookup of providers at every 64th operation.
    fn without_providers(&mut self) {
        for (path, missing, off) in [
            ("no provider", ours::without_providers(), ours::switched_off()),
            ("no meter provider", ours::without_meter_provider(), Rung::SampledOut.instrumenter()),
            ("no tracer provider", ours::without_tracer_provider(), ours::without_tracing()),
        ] {
            let (mut a, mut b) = (Record::outgoing(), Record::outgoing());
            let sends = self.in_turns(
                1,
                [
                    &mut timed(|| ours::send(&missing, &mut a)),
                    &mut timed(|| ours::send(&off, &mut b)),
                ],
            );
            let record = Record::incoming();
            let consumed = self.in_turns(
                1,
                [
                    &mut timed(|| ours::consume(&missing, &record)),
                    &mut timed(|| ours::consume(&off, &record)),
                ],
            );
            for (what, times) in [("send", sends), ("receive and process", consumed)] {
                let [missing, off] = times.each_ref().map(|times| best(times));
                self.row(
                    &format!("{what}, {path}: over switched off"),
                    &time(missing - off),
                    &time(off),
                    "-",
                    "15 ns",
                    missing - off <= 15.0,
                );
            }
        }
    }

    fn batch(&mut self, what: &str, with_offset: bool, budget: f64, allocations: f64) {
        let instrumenter = Rung::Recording.instrumenter();
        let idiomatic = idiomatic::Traced::new(Sampling::Recording);
        let mut per_link = Vec::new();
        for messages in [100, 1_000, 10_000] {
            let records = Record::incoming_batch(messages, with_offset);
            let times = self.in_turns(
                messages,
                [
                    &mut timed(|| ours::process_batch(&instrumenter, &records)),
                    &mut timed(|| idiomatic.process_batch(&records)),
                ],
            );
            let [ours, reference] = &times;
            let path = format!("batch of {messages}, per link, {what}");
            self.ratio(&path, ours, reference, budget);
            per_link.push(best(ours));
        }
        let growth = per_link[2] / per_link[0];
        self.row(
            &format!("batch, linear from 100 to 10,000, {what}"),
            &time(per_link[2]),
            &time(per_link[0]),
            &format!("{growth:.2}"),
            &format!("{LINEAR}x"),
            growth <= LINEAR,
        );
        let (few, many) =
            (Record::incoming_batch(100, with_offset), Record::incoming_batch(1_000, with_offset));
        let per_link = |few: u64, many: u64| (many as f64 - few as f64) / 900.0;
        let measured = per_link(
            count(|| ours::process_batch(&instrumenter, &few)),
            count(|| ours::process_batch(&instrumenter, &many)),
        );
        let reference = per_link(
            count(|| idiomatic.process_batch(&few)),
            count(|| idiomatic.process_batch(&many)),
        );
        let path = format!("batch, allocations per link, {what}");
        self.allocations(&path, measured, reference, allocations);
    }

    /// Compares the time that metrics add to a send with that of recording the same two values on
    /// the plain API, with attributes that are built once.
    fn metrics(&mut self) {
        let (with, without) = (Rung::WithMetrics.instrumenter(), Rung::Recording.instrumenter());
        let plain = idiomatic::Measured::default();
        let (mut a, mut b) = (Record::outgoing(), Record::outgoing());
        let [with, without, plain] = self.in_turns(
            1,
            [
                &mut timed(|| ours::send(&with, &mut a)),
                &mut timed(|| ours::send(&without, &mut b)),
                &mut timed(|| plain.record(0.012)),
            ],
        );
        if cfg!(feature = "bound-instruments") {
            let (measured, reference) = (best(&with) - best(&without), best(&plain));
            self.row(
                "both metrics of a send, bound",
                &time(measured),
                &time(reference),
                &format!("{:.2}", measured / reference),
                "80 ns",
                measured <= 80.0,
            );
        } else {
            let metrics = with.iter().zip(&without).map(|(with, without)| with - without);
            let ratio =
                median(metrics.zip(&plain).map(|(metrics, plain)| metrics / plain).collect());
            self.row(
                "both metrics of a send / plain",
                &time(best(&with) - best(&without)),
                &time(best(&plain)),
                &format!("{ratio:.2}"),
                "0.7x",
                ratio <= 0.7,
            );
        }
    }

    fn ratio(&mut self, path: &str, ours: &[f64], reference: &[f64], budget: f64) {
        let ratio =
            median(ours.iter().zip(reference).map(|(ours, reference)| ours / reference).collect());
        self.row(
            path,
            &time(best(ours)),
            &time(best(reference)),
            &format!("{ratio:.2}"),
            &format!("{budget}x"),
            ratio <= budget,
        );
    }

    fn allocations(&mut self, path: &str, measured: f64, reference: f64, budget: f64) {
        let number = |number: f64| format!("{}", (number * 100.0).round() / 100.0);
        self.row(path, &number(measured), &number(reference), "-", &number(budget), {
            measured <= budget
        });
    }

    fn row(
        &mut self,
        path: &str,
        measured: &str,
        reference: &str,
        ratio: &str,
        budget: &str,
        met: bool,
    ) {
        let verdict = if met { "ok" } else { "OVER" };
        println!("{path:<44} {measured:>12} {reference:>12} {ratio:>7} {budget:>10} {verdict}");
        self.missed += u32::from(!met);
    }

    /// Runs the contenders in turns. Returns the nanoseconds per unit of each, for each round.
    fn in_turns<const N: usize>(
        &self,
        units: usize,
        mut contenders: [&mut dyn FnMut(u32) -> f64; N],
    ) -> [Vec<f64>; N] {
        let iterations = contenders.each_mut().map(|contender| {
            // Fill caches, and build what the first operation builds.
            contender(3);
            let start = Instant::now();
            contender(10);
            let nanoseconds = (start.elapsed().as_nanos() / 10).max(1);
            u32::try_from(self.effort.nanoseconds / nanoseconds).unwrap_or(u32::MAX).max(1)
        });
        let mut times = [const { Vec::new() }; N];
        for _ in 0..self.effort.rounds {
            for ((contender, iterations), times) in
                contenders.iter_mut().zip(iterations).zip(&mut times)
            {
                times.push(contender(iterations) / units as f64);
            }
        }
        times
    }
}

/// Makes a contender, which runs `work` the given number of times and returns the nanoseconds of
/// one run.
fn timed(mut work: impl FnMut()) -> impl FnMut(u32) -> f64 {
    move |iterations| {
        let start = Instant::now();
        for _ in 0..iterations {
            work();
        }
        start.elapsed().as_nanos() as f64 / f64::from(iterations)
    }
}

fn best(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn time(nanoseconds: f64) -> String {
    format!("{nanoseconds:.1} ns")
}
