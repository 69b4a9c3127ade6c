//! Computes the figures of a scenario from what its processes measured.

use crate::{
    child::Task,
    measure::Measured,
    mode::Mode,
    record::{Record, Sample, Variant},
    scenario::Scenario,
    statistics::{Quartiles, median, quartiles},
};

/// The figures of a scenario.
pub(super) struct Figures {
    pub(super) scenario: Scenario,
    pub(super) messages: usize,
    pub(super) rounds: usize,
    pub(super) rows: Vec<Row>,
    /// Messages a second of `latencies`; `None` if there are none.
    pub(super) rate: Option<usize>,
    pub(super) latencies: Vec<Latency>,
    /// The CPU of the careful send of the core's benchmarks, in nanoseconds.
    pub(super) calibration: f64,
}

/// A mode at full speed: medians over the rounds.
pub(super) struct Row {
    pub(super) variant: Variant,
    /// Nanoseconds a message.
    pub(super) cpu: f64,
    /// Nanoseconds a message over the baseline of the same round.
    pub(super) added: Option<Quartiles>,
    /// A message.
    pub(super) allocations: f64,
    /// A message.
    pub(super) bytes: f64,
    /// A part of the baseline's of the same round.
    pub(super) throughput: f64,
    pub(super) peak_mib: f64,
}

/// A mode at a fixed rate: medians over the rounds.
pub(super) struct Latency {
    pub(super) variant: Variant,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// To the bare client's with the header in the same round.
    pub(super) p99_ratio: f64,
    /// A part of the rate that was asked for.
    pub(super) rate_reached: f64,
}

impl Figures {
    /// Returns `None` if the scenario was not measured.
    pub(super) fn new(scenario: Scenario, records: &[Record]) -> Option<Self> {
        let samples: Vec<&Sample> = records
            .iter()
            .filter_map(|record| match record {
                Record::Sample(sample) if sample.scenario == scenario => Some(sample),
                _ => None,
            })
            .collect();
        let calibrations = records.iter().filter_map(|record| match record {
            Record::Calibration { scenario: of, ns, .. } if *of == scenario => Some(*ns),
            _ => None,
        });
        let first = samples.iter().find(|sample| sample.task == Task::Throughput)?;
        let variants = |is: fn(Task) -> bool| {
            let mut variants: Vec<Variant> = samples
                .iter()
                .filter(|sample| is(sample.task))
                .map(|sample| sample.variant)
                .collect();
            variants.sort_by_key(|variant| (variant.mode.position(), variant.bound));
            variants.dedup();
            variants
        };
        Some(Self {
            scenario,
            messages: first.measured.messages,
            rounds: samples.iter().map(|sample| sample.round + 1).max()?,
            rows: variants(|task| task == Task::Throughput)
                .into_iter()
                .filter_map(|variant| Row::new(variant, &samples))
                .collect(),
            rate: samples.iter().find_map(|sample| match sample.task {
                Task::Latency(rate) => Some(rate),
                _ => None,
            }),
            latencies: variants(|task| matches!(task, Task::Latency(_)))
                .into_iter()
                .filter_map(|variant| Latency::new(variant, &samples))
                .collect(),
            calibration: median(calibrations)?,
        })
    }

    pub(super) fn row(&self, mode: Mode, bound: bool) -> Option<&Row> {
        self.rows.iter().find(|row| row.variant == Variant { mode, bound })
    }

    pub(super) fn latency(&self, mode: Mode, bound: bool) -> Option<&Latency> {
        self.latencies.iter().find(|row| row.variant == Variant { mode, bound })
    }
}

impl Row {
    fn new(variant: Variant, samples: &[&Sample]) -> Option<Self> {
        let of = |variant, task| {
            let is = move |sample: &&&Sample| sample.variant == variant && sample.task == task;
            samples.iter().filter(is).map(|sample| (sample.round, sample.measured))
        };
        // A producer that writes no header is compared with one that does not either.
        let is_producer = samples.first()?.scenario.is_producer();
        let mode =
            if is_producer && !variant.mode.writes_header() { Mode::Bare } else { Mode::Header };
        let pairs = || {
            of(variant, Task::Throughput).filter_map(|(round, measured)| {
                let mut baselines = of(Variant::plain(mode), Task::Throughput);
                Some((measured, baselines.find(|(of, _)| *of == round)?.1))
            })
        };
        let counted = of(variant, Task::Allocations).next().map(|(_, measured)| measured);
        let a_message = |number: fn(&Measured) -> u64| {
            counted.map_or(f64::NAN, |counted| number(&counted) as f64 / counted.messages as f64)
        };
        let is_baseline = variant.mode == Mode::Bare || variant.mode == Mode::Header;
        Some(Self {
            variant,
            cpu: median(of(variant, Task::Throughput).map(|(_, measured)| cpu(&measured)))?,
            added: quartiles(pairs().map(|(measured, baseline)| cpu(&measured) - cpu(&baseline)))
                .filter(|_| !is_baseline),
            allocations: a_message(|counted| counted.allocations),
            bytes: a_message(|counted| counted.allocated_bytes),
            throughput: median(
                pairs().map(|(measured, baseline)| rate(&measured) / rate(&baseline)),
            )?,
            peak_mib: median(
                of(variant, Task::Throughput)
                    .map(|(_, measured)| measured.peak_kib as f64 / 1024.0),
            )?,
        })
    }
}

impl Latency {
    fn new(variant: Variant, samples: &[&Sample]) -> Option<Self> {
        let of = |variant| {
            samples.iter().filter_map(move |sample| match sample.task {
                Task::Latency(asked) if sample.variant == variant => {
                    Some((sample.round, sample.measured, asked))
                }
                _ => None,
            })
        };
        let ratios = of(variant).filter_map(|(round, measured, _)| {
            let mut baselines = of(Variant::plain(Mode::Header));
            let (_, baseline, _) = baselines.find(|(of, ..)| *of == round)?;
            Some(measured.p99_ns as f64 / baseline.p99_ns as f64)
        });
        Some(Self {
            variant,
            p50_us: median(of(variant).map(|(_, measured, _)| measured.p50_ns as f64 / 1e3))?,
            p99_us: median(of(variant).map(|(_, measured, _)| measured.p99_ns as f64 / 1e3))?,
            p99_ratio: median(ratios)?,
            rate_reached: median(
                of(variant).map(|(_, measured, asked)| rate(&measured) / asked as f64),
            )?,
        })
    }
}

/// Nanoseconds a message.
fn cpu(measured: &Measured) -> f64 {
    measured.cpu_ns as f64 / measured.messages as f64
}

/// Messages a second.
fn rate(measured: &Measured) -> f64 {
    measured.messages as f64 / (measured.wall_ns as f64 / 1e9)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Makes the record of a mode at full speed, with this CPU a message and as much time.
    pub(crate) fn sample(scenario: Scenario, mode: Mode, round: usize, ns: u64) -> Record {
        let measured = Measured {
            messages: 1_000,
            cpu_ns: ns * 1_000,
            wall_ns: ns * 1_000,
            ..Measured::default()
        };
        let (variant, task) = (Variant::plain(mode), Task::Throughput);
        Record::Sample(Sample { scenario, variant, task, round, measured })
    }

    pub(crate) fn calibration(scenario: Scenario, ns: f64) -> Record {
        Record::Calibration { scenario, round: 0, ns }
    }

    #[test]
    fn what_is_added_is_the_difference_within_a_round() {
        let scenario = Scenario::KafkaProcess;
        let mut records = vec![calibration(scenario, 456.0)];
        // The machine is twice as slow in the second round, and there is an outlier in the third.
        for (round, bare, ours) in [(0, 500, 600), (1, 1000, 1200), (2, 500, 5000)] {
            records.push(sample(scenario, Mode::Header, round, bare));
            records.push(sample(scenario, Mode::All, round, ours));
        }
        let figures = Figures::new(scenario, &records).unwrap();
        let row = figures.row(Mode::All, false).unwrap();
        assert_eq!(row.added.unwrap(), Quartiles { lower: 150.0, median: 200.0, upper: 2350.0 });
        assert!((row.throughput - 5.0 / 6.0).abs() < 1e-9);
        assert_eq!((figures.messages, figures.rounds), (1_000, 3));
        assert!(figures.row(Mode::Header, false).unwrap().added.is_none());
    }

    #[test]
    fn a_producer_that_writes_no_header_is_compared_with_the_client_without_one() {
        let added = |scenario| {
            let records = [
                calibration(scenario, 456.0),
                sample(scenario, Mode::Bare, 0, 400),
                sample(scenario, Mode::Header, 0, 500),
                sample(scenario, Mode::Metrics, 0, 700),
                sample(scenario, Mode::All, 0, 900),
            ];
            let figures = Figures::new(scenario, &records).unwrap();
            [Mode::Metrics, Mode::All]
                .map(|mode| figures.row(mode, false).and_then(|row| row.added).unwrap())
        };
        let of_one_round = |median| Quartiles { lower: median, median, upper: median };
        assert_eq!(added(Scenario::NatsPublish), [300.0, 400.0].map(of_one_round));
        assert_eq!(added(Scenario::NatsProcess), [200.0, 400.0].map(of_one_round));
    }

    #[test]
    fn what_was_not_measured_has_no_figures() {
        let records = [sample(Scenario::KafkaBatch, Mode::Bare, 0, 1)];
        assert!(Figures::new(Scenario::KafkaProcess, &records).is_none());
    }
}
