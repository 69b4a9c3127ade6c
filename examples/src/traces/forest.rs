//! How spans hang together: parents, links, and what messages they stand for.

use opentelemetry::{
    SpanId, TraceId, Value,
    trace::{Link, SpanContext, SpanKind, Status},
};
use opentelemetry_sdk::trace::SpanData;
use std::collections::HashMap;

/// A span as a backend gets it: with the service it came from.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Its `service.name`.
    pub service: String,
    /// What the service has recorded.
    pub span: SpanData,
}

impl Exported {
    /// `messaging.operation.type`, for spans of the instrumentation.
    pub fn operation(&self) -> Option<&str> {
        self.text("messaging.operation.type")
    }

    /// Is it the span whose context travels in a message that the broker took?
    pub fn is_sent(&self) -> bool {
        self.span.span_kind == SpanKind::Producer
            && matches!(self.operation(), Some("send" | "create"))
            && !matches!(self.span.status, Status::Error { .. })
    }

    /// An attribute that is text.
    pub fn text(&self, key: &str) -> Option<&str> {
        let mut attributes = self.span.attributes.iter();
        match &attributes.find(|attribute| attribute.key.as_str() == key)?.value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        }
    }
}

/// All spans, found by id. Spans are named by their index.
#[derive(Debug)]
pub struct Forest<'a> {
    spans: &'a [Exported],
    by_id: HashMap<(TraceId, SpanId), usize>,
    children: HashMap<usize, Vec<usize>>,
    roots: Vec<usize>,
}

impl<'a> Forest<'a> {
    /// Finds out how these spans hang together.
    pub fn new(spans: &'a [Exported]) -> Self {
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

    /// Every span.
    pub fn all(&self) -> impl Iterator<Item = usize> + use<> {
        0..self.spans.len()
    }

    /// The spans without a parent.
    pub fn roots(&self) -> &[usize] {
        &self.roots
    }

    /// The span itself.
    pub fn span(&self, index: usize) -> &'a Exported {
        &self.spans[index]
    }

    /// The spans of which it is the parent.
    pub fn children(&self, index: usize) -> &[usize] {
        self.children.get(&index).map_or(&[], Vec::as_slice)
    }

    /// The span that a link leads to, if it was exported.
    pub fn target(&self, link: &Link) -> Option<usize> {
        self.by_id.get(&id(&link.span_context)).copied()
    }

    /// The links of an operation: its span's own, then those its span had no room for, which are on
    /// children made for that purpose.
    pub fn links(&self, index: usize) -> impl Iterator<Item = &'a Link> {
        let overflow = self.overflow(index).flat_map(|child| self.spans[child].span.links.iter());
        self.spans[index].span.links.iter().chain(overflow)
    }

    /// Those children.
    pub fn overflow(&self, index: usize) -> impl Iterator<Item = usize> {
        self.children(index).iter().copied().filter(|&child| self.is_overflow(child))
    }

    /// Is it such a child? They come from the library of their parent, are no operations, and have
    /// links.
    pub fn is_overflow(&self, index: usize) -> bool {
        let it = &self.spans[index];
        let is_of_its_parent = |parent: usize| {
            self.spans[parent].span.instrumentation_scope == it.span.instrumentation_scope
        };
        it.span.span_kind == SpanKind::Internal
            && it.operation().is_none()
            && !it.span.links.is_empty()
            && self.parent(index).is_some_and(is_of_its_parent)
    }

    /// How many links lead to a span that was exported, and how many into nowhere.
    pub fn count_links(&self) -> (u64, u64) {
        let (mut found, mut dangling) = (0, 0);
        for link in self.spans.iter().flat_map(|it| it.span.links.iter()) {
            *if self.target(link).is_some() { &mut found } else { &mut dangling } += 1;
        }
        (found, dangling)
    }

    /// The span of which it is a child, if that was exported.
    pub fn parent(&self, index: usize) -> Option<usize> {
        let span = &self.spans[index].span;
        self.by_id.get(&(span.span_context.trace_id(), span.parent_span_id)).copied()
    }
}

fn id(context: &SpanContext) -> (TraceId, SpanId) {
    (context.trace_id(), context.span_id())
}
