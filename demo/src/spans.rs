//! Joins the exported spans to trees, and finds what they link to.

#[cfg(test)]
pub(crate) mod by_hand;

use std::{collections::HashMap, iter};

use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{
        Span,
        span::{Link, SpanKind},
        status::StatusCode,
    },
};
use otel_messaging_testing::collector::{Collected, service_of};

/// A span, and the `service.name` of the process that exported it.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The `service.name`.
    pub service: String,
    /// The span as it was exported.
    pub span: Span,
}

impl Exported {
    /// Returns the `messaging.operation.type`; it is empty for spans of other instrumentation.
    pub fn operation(&self) -> &str {
        text(&self.span.attributes, "messaging.operation.type")
    }

    /// Tells whether this span's context travels in a message that the broker took.
    pub fn is_sent(&self) -> bool {
        self.span.kind() == SpanKind::Producer
            && matches!(self.operation(), "send" | "create")
            && self.failure().is_none()
    }

    /// Returns the description of the span's status, if that is an error.
    pub fn failure(&self) -> Option<&str> {
        let status = self.span.status.as_ref()?;
        (status.code() == StatusCode::Error).then_some(&*status.message)
    }
}

/// Returns an attribute's text, or nothing.
pub(crate) fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let attribute = attributes.iter().find(|attribute| attribute.key == key);
    match attribute.and_then(|it| it.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

/// Takes the spans out of what was collected, in the order of `services`.
pub fn of(collected: &Collected, services: &[&str]) -> Vec<Exported> {
    let mut spans = Vec::new();
    for resource in &collected.spans {
        let service = service_of(resource.resource.as_ref());
        let exported = |span: &Span| Exported { service: service.to_owned(), span: span.clone() };
        spans.extend(resource.scope_spans.iter().flat_map(|scope| &scope.spans).map(exported));
    }
    spans.sort_by_key(|it| services.iter().position(|service| *service == it.service));
    spans
}

/// A trace id and a span id.
type Id<'a> = (&'a [u8], &'a [u8]);

/// All spans, as trees. A span is named by its index.
#[derive(Debug)]
pub struct Forest<'a> {
    /// Every span.
    pub spans: &'a [Exported],
    /// The spans without a parent.
    pub roots: Vec<usize>,
    children: HashMap<usize, Vec<usize>>,
    by_id: HashMap<Id<'a>, usize>,
}

impl<'a> Forest<'a> {
    /// Joins spans to their parents. A span whose parent was not exported is a root.
    pub fn new(spans: &'a [Exported]) -> Self {
        let id = |span: &'a Span| (&*span.trace_id, &*span.span_id);
        let by_id: HashMap<Id<'a>, usize> =
            spans.iter().enumerate().map(|(index, it)| (id(&it.span), index)).collect();
        let (mut children, mut roots) = (HashMap::<_, Vec<_>>::new(), Vec::new());
        for (index, Exported { span, .. }) in spans.iter().enumerate() {
            match by_id.get(&(&*span.trace_id, &*span.parent_span_id)) {
                Some(&parent) => children.entry(parent).or_default().push(index),
                None => roots.push(index),
            }
        }
        Self { spans, roots, children, by_id }
    }

    /// Returns the span's children.
    pub fn children(&self, index: usize) -> &[usize] {
        self.children.get(&index).map_or(&[], Vec::as_slice)
    }

    /// Returns the span that a link leads to, if it was exported.
    pub fn target(&self, link: &Link) -> Option<usize> {
        self.by_id.get(&(&*link.trace_id, &*link.span_id)).copied()
    }

    /// Returns the links of an operation: those on its span, then those on its children called
    /// `links`, which hold what is beyond the SDK's limit.
    pub fn links(&self, index: usize) -> impl Iterator<Item = &'a Link> {
        let overflow = self.children(index).iter().copied().filter(|&it| self.is_overflow(it));
        let spans = iter::once(index).chain(overflow);
        spans.flat_map(|span| &self.spans[span].span.links)
    }

    /// Tells whether a span exists only to hold links of its parent.
    pub fn is_overflow(&self, index: usize) -> bool {
        let Exported { span, .. } = &self.spans[index];
        span.kind() == SpanKind::Internal && span.name == "links" && !span.links.is_empty()
    }

    /// Counts the links to spans that were exported, and those to spans that were not.
    pub fn count_links(&self) -> (usize, usize) {
        let links = || self.spans.iter().flat_map(|it| &it.span.links);
        let found = links().filter(|link| self.target(link).is_some()).count();
        (found, links().count() - found)
    }
}
