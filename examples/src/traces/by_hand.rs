//! Spans made by hand, for the tests of what is drawn and counted.

use super::Exported;
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{Link, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::time::{Duration, SystemTime};

/// A span of `service` that takes 1.5 ms. Spans start in the order of their ids, and each has a
/// trace to itself until it is told otherwise.
pub fn span(service: &'static str, kind: SpanKind, name: &'static str, id: u64) -> Exported {
    let start_time = SystemTime::UNIX_EPOCH + Duration::from_secs(id);
    let span = SpanData {
        span_context: context(id),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: kind,
        name: name.into(),
        start_time,
        end_time: start_time + Duration::from_micros(1_500),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    };
    Exported { service: service.to_owned(), span }
}

/// The PRODUCER span of a message.
pub fn send(id: u64) -> Exported {
    span("shop", SpanKind::Producer, "send orders", id).doing("send")
}

/// The CONSUMER span of messages.
pub fn process(id: u64, messages: &[u64]) -> Exported {
    let it = span("billing", SpanKind::Consumer, "process orders", id).doing("process");
    messages.iter().fold(it, |it, &message| it.linked(message))
}

/// A child that carries more links for its parent.
pub fn overflow(id: u64, parent: u64, messages: &[u64]) -> Exported {
    let it = span("billing", SpanKind::Internal, "links", id).below(parent);
    messages.iter().fold(it, |it, &message| it.linked(message))
}

#[expect(clippy::return_self_not_must_use, reason = "a test would fail without its span")]
impl Exported {
    /// Of this `messaging.operation.type`.
    pub fn doing(self, operation: &'static str) -> Self {
        self.with("messaging.operation.type", operation)
    }

    /// With an attribute that is text.
    pub fn with(mut self, key: &'static str, value: &'static str) -> Self {
        self.span.attributes.push(KeyValue::new(key, value));
        self
    }

    /// A child of the root span with this id.
    pub fn below(self, parent: u64) -> Self {
        self.child_of(&context(parent))
    }

    /// A child of any span.
    pub fn child_of(mut self, parent: &SpanContext) -> Self {
        let id = self.span.span_context.span_id();
        let (trace, flags) = (parent.trace_id(), TraceFlags::SAMPLED);
        self.span.span_context = SpanContext::new(trace, id, flags, false, TraceState::NONE);
        self.span.parent_span_id = parent.span_id();
        self
    }

    /// With a link to the root span with this id.
    pub fn linked(self, target: u64) -> Self {
        self.linked_to(&context(target))
    }

    /// With a link to any span.
    pub fn linked_to(mut self, target: &SpanContext) -> Self {
        self.span.links.links.push(Link::with_context(target.clone()));
        self
    }

    /// Whose status is an error.
    pub fn failed(mut self, why: &'static str) -> Self {
        self.span.status = Status::error(why);
        self
    }
}

/// Of the root span with this id. The half of a span's id that is printed tells it.
fn context(id: u64) -> SpanContext {
    let (trace, span) = (TraceId::from(u128::from(id)), SpanId::from(id << 32));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}
