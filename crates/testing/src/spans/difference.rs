//! What differs between expected and finished spans, in words.

use std::{borrow::Cow, collections::HashMap};

use opentelemetry::{
    KeyValue,
    trace::{Event, Link, SpanContext, SpanKind, Status},
};

use super::{
    ExpectedLink, ExpectedSpan, Target,
    graph::{Graph, pair_events, parent},
};
use crate::{
    attributes::{Attributes, show_attributes, show_value},
    difference::{Lines, indent, show_scope},
    matching::{pair, unpaired},
    telemetry::FinishedSpan,
};

/// Everything that differs, or nothing if the pairs are complete and equal.
pub(super) fn report(graph: &Graph<'_>, pairs: &[Option<usize>]) -> Option<String> {
    let comparison = Comparison::new(graph, pairs);
    let mut parts = Vec::new();
    for (expected, pair) in graph.expected.iter().zip(pairs) {
        if let Some(at) = *pair {
            let found = &graph.found[at];
            let differences = comparison.differences(expected, found);
            if !differences.is_empty() {
                let (title, found) = (title(expected), show_ids(&found.span_context));
                parts.push(format!("{title} differs from the nearest, {found}:\n{differences}"));
            }
        }
    }
    for (expected, pair) in graph.expected.iter().zip(pairs) {
        if pair.is_none() {
            let lines = indent(&comparison.expected_lines(expected));
            parts.push(format!("{} was not found:\n{lines}", title(expected)));
        }
    }
    for at in unpaired(pairs, graph.found.len()) {
        let found = &graph.found[at];
        let lines = indent(&found_lines(found, |context| comparison.show_context(context)));
        let ids = show_ids(&found.span_context);
        parts.push(format!("span {:?} was not expected, {ids}:\n{lines}", found.name));
    }
    let (expected, found) = (graph.expected.len(), graph.found.len());
    let head = format!("spans differ: {expected} expected, {found} finished");
    (!parts.is_empty()).then(|| format!("{head}\n\n{}", parts.join("\n")))
}

/// A finished span with all that can be compared.
pub(crate) fn show_span(found: &FinishedSpan) -> String {
    let lines = indent(&found_lines(found, show_ids));
    format!("span {:?}, {}:\n{lines}", found.name, show_ids(&found.span_context))
}

/// Contexts by the labels that the pairs give them.
struct Comparison<'a> {
    graph: &'a Graph<'a>,
    pairs: &'a [Option<usize>],
    labels: HashMap<usize, &'a str>,
}

impl<'a> Comparison<'a> {
    fn new(graph: &'a Graph<'a>, pairs: &'a [Option<usize>]) -> Self {
        let labelled = graph.expected.iter().zip(pairs);
        let labels = labelled.filter_map(|(e, pair)| Some(((*pair)?, e.label.as_deref()?)));
        Self { graph, pairs, labels: labels.collect() }
    }

    fn differences(&self, expected: &ExpectedSpan, found: &FinishedSpan) -> String {
        let mut lines = Lines::default();
        lines.compare(format!("name {:?}", expected.name), format!("name {:?}", found.name));
        lines.compare(show_kind(&expected.kind), show_kind(&found.span_kind));
        self.compare_parents(expected, found, &mut lines);
        lines.0.extend(expected.attributes.differences(&found.attributes));
        compare_dropped("attributes", 0, found.dropped_attributes_count, &mut lines);
        self.compare_links(expected, found, &mut lines);
        compare_dropped("links", expected.dropped_links, found.links.dropped_count, &mut lines);
        compare_events(&expected.events, &found.events, &mut lines);
        compare_dropped("events", 0, found.events.dropped_count, &mut lines);
        lines.compare(show_status(&expected.status), show_status(&found.status));
        let scope = self.graph.expected_scope(expected, found);
        lines.compare(show_scope(scope.unwrap_or(found.scope())), show_scope(found.scope()));
        indent(&lines.0)
    }

    fn compare_parents(&self, expected: &ExpectedSpan, found: &FinishedSpan, lines: &mut Lines) {
        let found = parent(found);
        let is_equal = match (&expected.parent, &found) {
            (None, None) => true,
            (Some(target), Some(found)) => {
                self.context(target).is_some_and(|context| is_same_span(&context, found))
            }
            (None, Some(_)) | (Some(_), None) => false,
        };
        if !is_equal {
            lines.missing(&self.show_expected_parent(expected));
            lines.unexpected(&show_parent(found.as_ref(), |context| self.show_context(context)));
        }
    }

    fn compare_links(&self, expected: &ExpectedSpan, found: &FinishedSpan, lines: &mut Lines) {
        let targets: Vec<Option<SpanContext>> =
            expected.links.iter().map(|link| self.context(&link.target)).collect();
        let is_equal = |at: usize, to: usize| {
            let (link, found) = (&expected.links[at], &found.links[to]);
            (!expected.links_in_order || at == to)
                && targets[at].as_ref().is_some_and(|context| is_same(context, &found.span_context))
                && found.dropped_attributes_count == 0
                && link.attributes.match_all(&found.attributes)
        };
        let pairs = pair(expected.links.len(), found.links.len(), is_equal);
        let place = |at| if expected.links_in_order { format!("{at}: ") } else { String::new() };
        for at in (0..pairs.len()).filter(|&at| pairs[at].is_none()) {
            let link = self.show_expected_link(&expected.links[at]);
            lines.missing(&format!("{}{link}", place(at)));
        }
        for to in unpaired(&pairs, found.links.len()) {
            let link = show_link(&found.links[to], |context| self.show_context(context));
            lines.unexpected(&format!("{}{link}", place(to)));
        }
    }

    /// The context that a target stands for, if its label has a finished span.
    fn context(&self, target: &Target) -> Option<SpanContext> {
        match target {
            Target::Context(context) => Some(context.clone()),
            Target::Label { is_remote, .. } => {
                let found = self.pairs[self.graph.labelled(target)?]?;
                let context = &self.graph.found[found].span_context;
                Some(SpanContext::new(
                    context.trace_id(),
                    context.span_id(),
                    context.trace_flags(),
                    *is_remote,
                    context.trace_state().clone(),
                ))
            }
        }
    }

    fn expected_lines(&self, expected: &ExpectedSpan) -> Vec<String> {
        let mut lines = vec![show_kind(&expected.kind), self.show_expected_parent(expected)];
        lines.extend(expected.attributes.lines());
        lines.extend(expected.links.iter().map(|link| self.show_expected_link(link)));
        lines.extend(expected.events.iter().map(show_expected_event));
        lines.push(show_status(&expected.status));
        lines.extend(expected.scope.as_ref().map(show_scope));
        lines
    }

    fn show_expected_parent(&self, expected: &ExpectedSpan) -> String {
        match &expected.parent {
            None => "root".to_owned(),
            Some(target) => format!("parent {}", self.show_target(target, |_| String::new())),
        }
    }

    fn show_expected_link(&self, link: &ExpectedLink) -> String {
        format!("link to {} {}", self.show_target(&link.target, show_state), link.attributes.show())
    }

    fn show_target(&self, target: &Target, state: impl Fn(&SpanContext) -> String) -> String {
        match (self.context(target), target) {
            (Some(context), _) => self.show_context(&context) + &state(&context),
            (None, Target::Label { label, is_remote }) => show_label(label, *is_remote),
            (None, Target::Context(context)) => show_ids(context),
        }
    }

    fn show_context(&self, context: &SpanContext) -> String {
        let finished = self.graph.finished(context);
        match finished.map(|at| (self.labels.get(&at), &self.graph.found[at].name)) {
            Some((Some(label), _)) => format!("{}{label:?}", show_remote(context.is_remote())),
            Some((None, name)) => format!("{} {name:?}", show_ids(context)),
            None => show_ids(context),
        }
    }
}

fn compare_events(
    expected: &[(Cow<'static, str>, Attributes)],
    found: &[Event],
    lines: &mut Lines,
) {
    let pairs = pair_events(expected, found);
    for (event, _) in expected.iter().zip(&pairs).filter(|(_, pair)| pair.is_none()) {
        lines.missing(&show_expected_event(event));
    }
    for to in unpaired(&pairs, found.len()) {
        lines.unexpected(&show_event(&found[to]));
    }
}

fn compare_dropped(what: &str, expected: u32, found: u32, lines: &mut Lines) {
    lines.compare(format!("dropped {what}: {expected}"), format!("dropped {what}: {found}"));
}

fn found_lines(found: &FinishedSpan, name: impl Fn(&SpanContext) -> String) -> Vec<String> {
    let mut lines = vec![show_kind(&found.span_kind), show_parent(parent(found).as_ref(), &name)];
    let attributes = found.attributes.iter();
    lines.extend(
        attributes
            .map(|KeyValue { key, value, .. }| format!("attribute {key} = {}", show_value(value))),
    );
    lines.extend(found.links.iter().map(|link| show_link(link, &name)));
    lines.extend(found.events.iter().map(show_event));
    lines.push(show_status(&found.status));
    lines.push(show_scope(found.scope()));
    lines
}

fn title(expected: &ExpectedSpan) -> String {
    match &expected.label {
        Some(label) => format!("span {:?} (label {label:?})", expected.name),
        None => format!("span {:?}", expected.name),
    }
}

fn show_kind(kind: &SpanKind) -> String {
    format!("kind {kind:?}")
}

fn show_parent(parent: Option<&SpanContext>, name: impl Fn(&SpanContext) -> String) -> String {
    parent.map_or_else(|| "root".to_owned(), |parent| format!("parent {}", name(parent)))
}

fn show_link(link: &Link, name: impl Fn(&SpanContext) -> String) -> String {
    let Link { span_context: context, attributes, dropped_attributes_count: dropped, .. } = link;
    let (name, state) = (name(context), show_state(context));
    format!("link to {name}{state} {}{}", show_attributes(attributes), show_dropped(*dropped))
}

fn show_expected_event((name, attributes): &(Cow<'static, str>, Attributes)) -> String {
    format!("event {name:?} {}", attributes.show())
}

fn show_event(event: &Event) -> String {
    let (attributes, dropped) = (&event.attributes, event.dropped_attributes_count);
    format!("event {:?} {}{}", event.name, show_attributes(attributes), show_dropped(dropped))
}

fn show_status(status: &Status) -> String {
    match status {
        Status::Unset => "status Unset".to_owned(),
        Status::Ok => "status Ok".to_owned(),
        Status::Error { description } => format!("status Error {description:?}"),
    }
}

/// A label that no finished span was found for.
fn show_label(label: &str, is_remote: bool) -> String {
    format!("{}{label:?} (which was not found)", show_remote(is_remote))
}

/// The ends of the ids: enough to tell them apart, also where a test made them up.
fn show_ids(context: &SpanContext) -> String {
    let (span, trace) = (context.span_id().to_string(), context.trace_id().to_string());
    let remote = show_remote(context.is_remote());
    format!("{remote}…{} of trace …{}", &span[span.len() - 8..], &trace[trace.len() - 8..])
}

fn show_remote(is_remote: bool) -> &'static str {
    if is_remote { "remote " } else { "" }
}

/// What a link carries besides the ids.
fn show_state(context: &SpanContext) -> String {
    let sampled = if context.is_sampled() { "" } else { " not sampled" };
    match context.trace_state().header() {
        state if state.is_empty() => sampled.to_owned(),
        state => format!("{sampled} tracestate {state}"),
    }
}

fn show_dropped(attributes: u32) -> String {
    if attributes == 0 { String::new() } else { format!(" and {attributes} dropped attributes") }
}

fn is_same_span(one: &SpanContext, other: &SpanContext) -> bool {
    one.span_id() == other.span_id()
        && one.trace_id() == other.trace_id()
        && one.is_remote() == other.is_remote()
}

/// Only the sampled flag counts: W3C propagation carries no other.
fn is_same(one: &SpanContext, other: &SpanContext) -> bool {
    is_same_span(one, other)
        && one.is_sampled() == other.is_sampled()
        && one.trace_state() == other.trace_state()
}
