//! How spans hang together: parents, links, and what messages they stand for.

use opentelemetry::{
    SpanId, TraceId, Value,
    trace::{Link, SpanContext, SpanKind},
};
use opentelemetry_sdk::trace::SpanData;
use std::collections::HashMap;

/// A span as a backend gets it: with the service it came from.
#[derive(Clone, Debug)]
pub(crate) struct Exported {
    pub(crate) service: &'static str,
    pub(crate) span: SpanData,
}

impl Exported {
    /// `messaging.operation.type`, for spans of the instrumentation.
    pub(crate) fn operation(&self) -> Option<&str> {
        let mut attributes = self.span.attributes.iter();
        match &attributes.find(|kv| kv.key.as_str() == "messaging.operation.type")?.value {
            Value::String(operation) => Some(operation.as_str()),
            _ => None,
        }
    }
}

/// All spans, found by id. Spans are named by their index.
pub(crate) struct Forest<'a> {
    spans: &'a [Exported],
    by_id: HashMap<(TraceId, SpanId), usize>,
    children: HashMap<usize, Vec<usize>>,
    roots: Vec<usize>,
}

impl<'a> Forest<'a> {
    pub(crate) fn new(spans: &'a [Exported]) -> Self {
        let by_id: HashMap<_, _> = spans
            .iter()
            .enumerate()
            .map(|(index, it)| (id(&it.span.span_context), index))
            .collect();
        let (mut children, mut roots) = (HashMap::<_, Vec<_>>::new(), Vec::new());
        for (index, Exported { span, .. }) in spans.iter().enumerate() {
            // A span whose parent was never exported is shown as a root: better than not at all.
            match by_id.get(&(span.span_context.trace_id(), span.parent_span_id)) {
                Some(&parent) if parent != index => children.entry(parent).or_default().push(index),
                _ => roots.push(index),
            }
        }
        Self { spans, by_id, children, roots }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = usize> + use<> {
        0..self.spans.len()
    }

    pub(crate) fn roots(&self) -> &[usize] {
        &self.roots
    }

    pub(crate) fn span(&self, index: usize) -> &'a Exported {
        &self.spans[index]
    }

    pub(crate) fn children(&self, index: usize) -> &[usize] {
        self.children.get(&index).map_or(&[], Vec::as_slice)
    }

    /// The span that a link leads to, if it was exported.
    pub(crate) fn target(&self, link: &Link) -> Option<usize> {
        self.by_id.get(&id(&link.span_context)).copied()
    }

    /// The links of an operation: its span's own, then those its span had no room for, which are on
    /// children made for that purpose.
    pub(crate) fn links(&self, index: usize) -> impl Iterator<Item = &'a Link> {
        let overflow = self.overflow(index).flat_map(|child| self.spans[child].span.links.iter());
        self.spans[index].span.links.iter().chain(overflow)
    }

    /// Those children.
    pub(crate) fn overflow(&self, index: usize) -> impl Iterator<Item = usize> {
        self.children(index).iter().copied().filter(|&child| self.is_overflow(child))
    }

    /// Is it such a child? They come from the library of their parent, are no operations, and have
    /// links.
    pub(crate) fn is_overflow(&self, index: usize) -> bool {
        let it = &self.spans[index];
        let is_of_its_parent = |parent: usize| {
            self.spans[parent].span.instrumentation_scope == it.span.instrumentation_scope
        };
        it.span.span_kind == SpanKind::Internal
            && it.operation().is_none()
            && !it.span.links.is_empty()
            && self.parent(index).is_some_and(is_of_its_parent)
    }

    fn parent(&self, index: usize) -> Option<usize> {
        let span = &self.spans[index].span;
        self.by_id.get(&(span.span_context.trace_id(), span.parent_span_id)).copied()
    }
}

fn id(context: &SpanContext) -> (TraceId, SpanId) {
    (context.trace_id(), context.span_id())
}
