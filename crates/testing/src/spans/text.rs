//! The canonical text of expected and finished spans: one line for each fact that is compared.
//!
//! A finished span is as expected if both texts are equal. Its text depends on the expected span
//! that it is compared with: it has labels instead of ids, and `any` where any value is expected.

use std::{collections::HashMap, iter};

use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceId,
    trace::{SpanContext, SpanKind, Status},
};

use super::{
    ExpectedSpan, span,
    target::{Target, ids},
};
use crate::{
    attributes::{Attributes, show_attributes},
    difference::{indent, show_scope},
    matching::{reword, without_others},
    telemetry::{APPLICATION, FinishedSpan},
};

/// Writes all of a finished span, with ids.
pub(crate) fn show_span(found: &FinishedSpan) -> String {
    let lines = indent(&Text::default().found_alone(found));
    format!("span {:?}, {}:\n{lines}", found.name, show_ids(&found.span_context))
}

/// Writes spans, with labels for those that have one.
#[derive(Default)]
pub(super) struct Text<'a> {
    /// The expected scope of spans that name no other.
    scope: Option<&'a InstrumentationScope>,
    labels: HashMap<(TraceId, SpanId), &'a str>,
    contexts: HashMap<&'a str, &'a SpanContext>,
}

impl<'a> Text<'a> {
    pub(super) fn new(scope: Option<&'a InstrumentationScope>) -> Self {
        Self { scope, ..Self::default() }
    }

    /// Writes `label` for the finished span with this context from now on.
    pub(super) fn add_label(&mut self, label: &'a str, context: &'a SpanContext) {
        self.labels.insert(ids(context), label);
        self.contexts.insert(label, context);
    }

    /// Writes all of an expected span.
    pub(super) fn expected(&self, span: &ExpectedSpan) -> Vec<String> {
        let mut lines = self.expected_facts(span);
        if !span.ignores_parent() {
            lines.push(match &span.references[0].target {
                Target::Context(context) if *context == SpanContext::NONE => "root".to_owned(),
                parent => format!("parent {}", self.target(parent)),
            });
        }
        lines.extend(sorted(self.expected_links(span).iter().map(show_item).collect()));
        lines
    }

    /// Writes all of a finished span, for a comparison with `span`.
    pub(super) fn found(&self, found: &FinishedSpan, span: &ExpectedSpan) -> Vec<String> {
        let mut lines = self.found_facts(found, span);
        if !span.ignores_parent() {
            lines.push(match parent(found) {
                SpanContext::NONE => "root".to_owned(),
                parent => format!("parent {}", self.context(&parent)),
            });
        }
        let found_links = found.links.iter().enumerate().map(|(at, link)| {
            let place = place(at, span.links_in_order);
            let target = self.context(&link.span_context) + &show_state(&link.span_context);
            let dropped = show_dropped(link.dropped_attributes_count);
            (format!("link {place}to {target}{dropped}"), &link.attributes[..])
        });
        let found_links: Vec<_> = found_links.collect();
        lines.extend(reword_items(&self.expected_links(span), &found_links, span.ignores_rest));
        lines
    }

    /// Writes all of a finished span that is compared with none.
    pub(super) fn found_alone(&self, found: &FinishedSpan) -> Vec<String> {
        self.found(found, &span("").scope(found.scope().clone()))
    }

    /// Writes an expected span without its parent and links.
    pub(super) fn expected_facts(&self, span: &ExpectedSpan) -> Vec<String> {
        let mut lines = head(&span.name, expected_kind(span), &span.status);
        lines.extend(span.scope.as_ref().or(self.scope).map(show_scope));
        lines.extend(span.attributes.lines().iter().map(|line| format!("attribute {line}")));
        lines.extend(sorted(expected_events(span).iter().map(show_item).collect()));
        lines.extend(show_count("dropped links", span.dropped_links));
        lines
    }

    /// Writes a finished span without its parent and links, for a comparison with `span`.
    pub(super) fn found_facts(&self, found: &FinishedSpan, span: &ExpectedSpan) -> Vec<String> {
        let kind = expected_kind(span).map(|_| &found.span_kind);
        let mut lines = head(&found.name, kind, &found.status);
        lines.extend(match (&span.scope, self.scope) {
            (None, None) => None,
            // The expected scope is the one of the instrumentation, not of the application.
            (None, Some(scope)) if found.scope().name() == APPLICATION => Some(show_scope(scope)),
            _ => Some(show_scope(found.scope())),
        });
        let attributes = span.attributes.lines_of(&found.attributes);
        lines.extend(attributes.iter().map(|line| format!("attribute {line}")));
        let events = found.events.iter().map(|event| {
            let dropped = show_dropped(event.dropped_attributes_count);
            (format!("event {:?}{dropped}", event.name), &event.attributes[..])
        });
        let events: Vec<_> = events.collect();
        lines.extend(reword_items(&expected_events(span), &events, span.ignores_rest));
        if !span.ignores_rest {
            lines.extend(show_count("dropped attributes", found.dropped_attributes_count));
            lines.extend(show_count("dropped events", found.events.dropped_count));
        }
        if !span.ignores_rest || span.dropped_links > 0 {
            lines.extend(show_count("dropped links", found.links.dropped_count));
        }
        lines
    }

    fn expected_links<'b>(&self, span: &'b ExpectedSpan) -> Vec<(String, &'b Attributes)> {
        let links = span.references[1..].iter().enumerate().map(|(at, link)| {
            let context = match &link.target {
                Target::Label { label, .. } => self.contexts.get(&**label).copied(),
                Target::Context(context) => Some(context),
            };
            let target = self.target(&link.target) + &context.map_or_else(String::new, show_state);
            (format!("link {}to {target}", place(at, span.links_in_order)), &link.attributes)
        });
        links.collect()
    }

    fn target(&self, target: &Target) -> String {
        match target {
            Target::Label { label, is_remote } => format!("{}{label:?}", show_remote(*is_remote)),
            Target::Context(context) => self.context(context),
        }
    }

    fn context(&self, context: &SpanContext) -> String {
        match self.labels.get(&ids(context)) {
            Some(label) => format!("{}{label:?}", show_remote(context.is_remote())),
            None => show_ids(context),
        }
    }
}

/// Returns the context of a span's parent as far as an exporter knows it: its ids, and whether it
/// is remote. For a root span this is [`SpanContext::NONE`].
pub(super) fn parent(found: &FinishedSpan) -> SpanContext {
    if found.parent_span_id == SpanId::INVALID {
        return SpanContext::NONE;
    }
    let (own, is_remote) = (&found.span_context, found.parent_span_is_remote);
    let (flags, state) = (own.trace_flags(), own.trace_state().clone());
    SpanContext::new(own.trace_id(), found.parent_span_id, flags, is_remote, state)
}

pub(super) fn show_ids(context: &SpanContext) -> String {
    let (span, trace) = (context.span_id(), context.trace_id());
    format!("{}{span} of trace {trace}", show_remote(context.is_remote()))
}

/// Returns the kind to compare with, or none if any is as expected.
fn expected_kind(span: &ExpectedSpan) -> Option<&SpanKind> {
    span.kind.as_ref().or((!span.ignores_rest).then_some(&SpanKind::Internal))
}

fn head(name: &str, kind: Option<&SpanKind>, status: &Status) -> Vec<String> {
    let status = match status {
        Status::Error { description } => format!("status Error {description:?}"),
        other => format!("status {other:?}"),
    };
    let kind = kind.map(|kind| format!("kind {kind:?}"));
    iter::once(format!("name {name:?}")).chain(kind).chain([status]).collect()
}

fn expected_events(span: &ExpectedSpan) -> Vec<(String, &Attributes)> {
    let events = span.events.iter();
    events.map(|(name, attributes)| (format!("event {name:?}"), attributes)).collect()
}

/// Writes a link or an event: its text and its attributes.
fn show_item((text, attributes): &(String, &Attributes)) -> String {
    format!("{text} {}", attributes.show())
}

/// Writes found links or events, those that fit an expected one like that one. With `ignores_rest`,
/// the others are left out if none is missing.
fn reword_items(
    expected: &[(String, &Attributes)],
    found: &[(String, &[KeyValue])],
    ignores_rest: bool,
) -> Vec<String> {
    let expected_lines: Vec<String> = expected.iter().map(show_item).collect();
    let found_lines =
        found.iter().map(|(text, attributes)| format!("{text} {}", show_attributes(*attributes)));
    let lines = reword(&expected_lines, found_lines.collect(), |at, to| {
        expected[at].0 == found[to].0 && expected[at].1.match_all(found[to].1)
    });
    sorted(if ignores_rest { without_others(&expected_lines, lines) } else { lines })
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    lines
}

fn place(at: usize, in_order: bool) -> String {
    if in_order { format!("{at} ") } else { String::new() }
}

fn show_remote(is_remote: bool) -> &'static str {
    if is_remote { "remote " } else { "" }
}

/// Writes the trace state and the sampled flag of a link. W3C propagation carries no other flag.
fn show_state(context: &SpanContext) -> String {
    let sampled = if context.is_sampled() { "" } else { " not sampled" };
    match context.trace_state().header() {
        state if state.is_empty() => sampled.to_owned(),
        state => format!("{sampled} tracestate {state}"),
    }
}

fn show_dropped(attributes: u32) -> String {
    if attributes == 0 { String::new() } else { format!(" with {attributes} dropped attributes") }
}

fn show_count(what: &str, count: u32) -> Option<String> {
    (count > 0).then(|| format!("{what}: {count}"))
}
