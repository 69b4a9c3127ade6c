//! The equations between messages, spans and metrics, and what came of them.

use std::{collections::BTreeMap, fmt};

use otel_messaging::otel::semconv;

use crate::{
    figures::{Figures, growth},
    load::Load,
    telemetry::{Outcome, SpanCounts},
};

/// How much memory may grow by trend after the warm-up, in MiB: 1 KiB for each message in five
/// minutes, or 60 bytes in an hour. The ledger takes 3, and a system that takes unused memory back
/// makes some noise.
const MAX_MEMORY: f64 = 48.0;
/// How many threads or files may be more by trend: clients that wait for their broker have others.
const MAX_HANDLES: f64 = 12.0;

/// What a soak has found.
#[derive(Clone, Debug)]
pub struct Report {
    lines: Vec<String>,
    failures: usize,
}

impl Report {
    pub(crate) fn new(seed: u64) -> Self {
        Self { lines: vec![format!("soak with seed {seed}:")], failures: 0 }
    }

    /// Returns whether everything holds.
    pub const fn is_good(&self) -> bool {
        self.failures == 0
    }

    pub(crate) fn check(&mut self, text: impl Into<String>, holds: bool) {
        self.failures += usize::from(!holds);
        let mark = if holds { "ok     " } else { "FAILED " };
        self.lines.push(format!("  {mark}{}", text.into()));
    }

    /// Checks the account of one broker.
    pub(crate) fn account(&mut self, load: &Load) {
        let (totals, spans, metrics) =
            (load.ledger.totals(), load.telemetry.spans(), load.telemetry.metrics());
        let broker = load.broker;
        self.lines.push(format!("{broker}: {totals:?}"));
        let mut equal = |text: &str, left: u64, right: u64| {
            self.check(format!("{broker}: {text}: {left} = {right}"), left == right);
        };

        equal("problems with single messages: none", totals.problems, 0);
        equal("confirmed messages that never came: none", load.ledger.missing(), 0);
        let answered = totals.confirmed + totals.failed + totals.unknown;
        equal("every send was answered or dropped", answered, totals.offered);

        equal("every span that started has ended", spans.started, spans.ended);
        equal("spans that ended twice: none", spans.ended_again, 0);
        let came = totals.delivered + totals.again;
        equal("receive spans = receives", spans.count("receive", Some(true)), totals.receives);
        let failures = spans.count("receive", Some(false));
        equal("failed receive spans = errors", failures, totals.receive_failures);
        equal("links of receive spans = messages that came", spans.links("receive"), came);
        equal("process spans = handlers", spans.count("process", None), totals.processes);
        equal("links of process spans = their messages", spans.links("process"), totals.processed);
        equal("settle spans = settlements", spans.count("settle", None), totals.settlements);

        let sum = |metric: &str, without_error: bool| -> u64 {
            let named = metrics.iter().filter(|((name, outcome), _)| {
                name == metric && (!without_error || outcome.error_type.is_empty())
            });
            named.map(|(_, count)| count).sum()
        };
        equal(
            "messages counted as consumed = that came",
            sum(semconv::CLIENT_CONSUMED_MESSAGES, false),
            came,
        );
        let sent = sum(semconv::CLIENT_SENT_MESSAGES, true);
        let attempted = sum(semconv::CLIENT_SENT_MESSAGES, false);
        let text = format!(
            "{broker}: confirmed {} <= counted as sent {sent} <= confirmed or dropped {}",
            totals.confirmed,
            totals.confirmed + totals.unknown
        );
        self.check(text, totals.confirmed <= sent && sent <= totals.confirmed + totals.unknown);
        let text = format!(
            "{broker}: different messages that came {} <= attempted {attempted} <= offered {}",
            totals.delivered, totals.offered
        );
        self.check(text, totals.delivered <= attempted && attempted <= totals.offered);

        let durations = durations(&metrics);
        let spans: BTreeMap<Outcome, u64> = spans.with_duration().collect();
        let outcomes = spans.iter().chain(&durations).map(|(outcome, _)| outcome);
        let wrong: Vec<String> = outcomes
            .filter(|outcome| spans.get(outcome) != durations.get(outcome))
            .map(|outcome| {
                format!("{outcome:?}: {:?} and {:?}", spans.get(outcome), durations.get(outcome))
            })
            .collect();
        let text = format!(
            "{broker}: spans = durations, for each of {} outcomes {}",
            spans.len(),
            wrong.join(", ")
        );
        self.check(text, wrong.is_empty());
        self.lines
            .extend(load.ledger.problems().into_iter().map(|text| format!("         {text}")));
        let outcomes = spans
            .iter()
            .map(|(outcome, count)| format!("{} {}: {count}", outcome.name, outcome.error_type));
        self.lines.push(format!("         {}", outcomes.collect::<Vec<_>>().join(", ")));
    }

    /// Checks that the process does not grow: by trend behind the first third of the run, which
    /// warms up, and at the end.
    pub(crate) fn figures(
        &mut self,
        before: Option<Figures>,
        samples: &[Figures],
        after: Option<Figures>,
    ) {
        let (Some(before), Some(after)) = (before, after) else {
            self.lines.push("process: this system has no /proc, so nothing is known".to_owned());
            return;
        };
        self.lines.push(format!("process: {before} before, {after} after"));
        let samples = &samples[samples.len() / 3..];
        let mut flat = |what: &str, limit: f64, of: fn(&Figures) -> f64| {
            let grown = growth(&samples.iter().map(of).collect::<Vec<_>>());
            let text = format!("process: {what} grew by {grown:.1}, of {limit} that it may");
            self.check(text, grown <= limit);
        };
        flat("memory (MiB)", MAX_MEMORY, |figures| figures.memory);
        flat("threads", MAX_HANDLES, |figures| figures.threads);
        flat("files", MAX_HANDLES, |figures| figures.files);
        let text = "process: threads and files of the clients are gone at the end";
        self.check(text, after.is_like(before));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        match self.failures {
            0 => f.write_str("soak: every account is right"),
            failures => write!(f, "soak: {failures} accounts are wrong"),
        }
    }
}

impl SpanCounts {
    /// Counts the spans of a type of operations: all, or those that succeeded or failed.
    fn count(&self, operation_type: &str, succeeded: Option<bool>) -> u64 {
        let counted = self.of(operation_type).filter(|(outcome, _)| {
            succeeded.is_none_or(|succeeded| succeeded == outcome.error_type.is_empty())
        });
        counted.map(|(_, (spans, _))| spans).sum()
    }

    fn links(&self, operation_type: &str) -> u64 {
        self.of(operation_type).map(|(_, (_, links))| links).sum()
    }

    fn of(&self, operation_type: &str) -> impl Iterator<Item = (&Outcome, &(u64, u64))> {
        self.outcomes.iter().filter(move |(outcome, _)| outcome.operation_type == operation_type)
    }

    /// Lists the spans of operations that have a duration. Creating a message has none.
    fn with_duration(&self) -> impl Iterator<Item = (Outcome, u64)> {
        let measured =
            self.outcomes.iter().filter(|(outcome, _)| outcome.operation_type != "create");
        measured.map(|(outcome, (spans, _))| (outcome.clone(), *spans))
    }
}

/// Adds up the values of both duration metrics.
fn durations(metrics: &BTreeMap<(String, Outcome), u64>) -> BTreeMap<Outcome, u64> {
    let mut durations = BTreeMap::new();
    for ((metric, outcome), count) in metrics {
        if [semconv::CLIENT_OPERATION_DURATION, semconv::PROCESS_DURATION].contains(&&**metric) {
            let mut outcome = outcome.clone();
            if metric == semconv::PROCESS_DURATION {
                // The metric itself says so.
                "process".clone_into(&mut outcome.operation_type);
            }
            *durations.entry(outcome).or_default() += count;
        }
    }
    durations
}
