//! Runs a pair of programs, and returns what the instrumented one exported.

use std::{
    collections::{BTreeMap, HashMap},
    env, iter,
    process::Command,
};

use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use otel_messaging_testing::collector::{Collector, service_of};
use similar::TextDiff;

/// The metrics of a program that sends, receives and processes.
pub(crate) const ALL_METRICS: [&str; 4] = [
    "messaging.client.consumed.messages",
    "messaging.client.operation.duration",
    "messaging.client.sent.messages",
    "messaging.process.duration",
];

/// What a program exported.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    /// Sorted by their start.
    spans: Vec<Span>,
    /// The names of all metrics, sorted.
    pub(crate) metrics: Vec<String>,
}

/// Runs both programs of a pair and returns what the instrumented one exported. Asserts that both
/// print `result` and nothing to standard error, and that the bare one exports nothing.
pub(crate) fn run_pair(pair: [&str; 2], broker: (&str, &str), result: &str) -> Exported {
    let [bare, instrumented] = pair.map(|program| export(program, broker, result));
    assert_eq!(bare.story(), [""; 0]);
    instrumented
}

/// Runs a program and returns what it exported. Asserts that it prints `result`, and nothing to
/// standard error.
pub(crate) fn export(program: &str, broker: (&str, &str), result: &str) -> Exported {
    let collector = Collector::start().unwrap();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.endpoint());
    assert_eq!(run(program, &[broker, endpoint, ("OTEL_SERVICE_NAME", "shop")]), result);

    let collected = collector.collected();
    assert_eq!(collected.refused, [""; 0]);
    let mut exported = Exported::default();
    for resource in &collected.spans {
        assert_eq!(service_of(resource.resource.as_ref()), "shop");
        let spans = resource.scope_spans.iter().flat_map(|scope| scope.spans.clone());
        exported.spans.extend(spans);
    }
    exported.spans.sort_by_key(|span| span.start_time_unix_nano);
    for resource in &collected.metrics {
        let metrics = resource.scope_metrics.iter().flat_map(|scope| &scope.metrics);
        exported.metrics.extend(metrics.map(|metric| metric.name.clone()));
    }
    // A program that runs long exports more than once.
    exported.metrics.sort();
    exported.metrics.dedup();
    exported
}

/// Runs a program with no variables for telemetry but these.
fn run(program: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (printed, complaints) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{program}: {}\n{printed}\n{complaints}", output.status);
    assert_eq!(complaints, "", "{program} complains");
    printed
}

impl Exported {
    /// Returns a line for every span: its kind, parent, links and events, as in
    /// `process orders 2: consumer in checkout 1 -> send orders 2, billed`. Spans of one name are numbered in the order of their start. The lines are sorted.
    pub(crate) fn story(&self) -> Vec<String> {
        let (mut counts, mut names) = (BTreeMap::<String, u32>::new(), HashMap::new());
        for span in &self.spans {
            let name = without_run(&span.name);
            let count = counts.entry(name.clone()).or_default();
            *count += 1;
            names.insert(id(&span.trace_id, &span.span_id), format!("{name} {count}"));
        }
        let mut story: Vec<String> = self.spans.iter().map(|span| tell(span, &names)).collect();
        story.sort();
        story
    }
}

type Id = (Vec<u8>, Vec<u8>);

fn id(trace: &[u8], span: &[u8]) -> Id {
    (trace.to_owned(), span.to_owned())
}

fn tell(span: &Span, names: &HashMap<Id, String>) -> String {
    let name = |trace, span| names.get(&id(trace, span)).map_or("?", String::as_str);
    let kind = span.kind().as_str_name().trim_start_matches("SPAN_KIND_").to_lowercase();
    let mut line = format!("{}: {kind}", name(&span.trace_id, &span.span_id));
    if !span.parent_span_id.is_empty() {
        line += " in ";
        line += name(&span.trace_id, &span.parent_span_id);
    }
    for link in &span.links {
        line += " -> ";
        line += name(&link.trace_id, &link.span_id);
    }
    for event in &span.events {
        line += ", ";
        line += &event.name;
    }
    if span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error) {
        line += " failed";
    }
    line
}

/// Asserts that the lines are exactly these: so many of each template, whose `#` is the number.
#[track_caller]
pub(crate) fn assert_story(story: &[String], expected: &[(u32, &str)]) {
    let lines = |&(count, template): &(u32, &str)| {
        let template = template.to_owned();
        (1..=count).map(move |number| template.replace('#', &number.to_string()))
    };
    let mut expected: Vec<String> = expected.iter().flat_map(lines).collect();
    expected.sort();
    let (expected, story) = (expected.join("\n"), story.join("\n"));
    let difference = TextDiff::from_lines(&expected, &story);
    let difference = difference.unified_diff().header("expected", "exported").to_string();
    assert!(difference.is_empty(), "\n{difference}");
}

/// Removes the number of the run: `send orders-1763734000000000` becomes `send orders`.
fn without_run(name: &str) -> String {
    let mut parts = name.split('-');
    let first = parts.next().unwrap_or_default();
    let others = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()));
    iter::once(first).chain(others).collect()
}
