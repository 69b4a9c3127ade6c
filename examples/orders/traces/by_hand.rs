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
pub(crate) fn span(service: &'static str, kind: SpanKind, name: &'static str, id: u64) -> Exported {
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
    Exported { service, span }
}

/// The PRODUCER span of a message.
pub(crate) fn send(id: u64) -> Exported {
    span("shop", SpanKind::Producer, "send orders", id).doing("send")
}

/// The CONSUMER span of messages.
pub(crate) fn process(id: u64, messages: &[u64]) -> Exported {
    let it = span("billing", SpanKind::Consumer, "process orders", id).doing("process");
    messages.iter().fold(it, |it, &message| it.linked(message))
}

/// A child that carries more links for its parent.
pub(crate) fn overflow(id: u64, parent: u64, messages: &[u64]) -> Exported {
    let it = span("billing", SpanKind::Internal, "links", id).below(parent);
    messages.iter().fold(it, |it, &message| it.linked(message))
}

impl Exported {
    pub(crate) fn doing(mut self, operation: &'static str) -> Self {
        self.span.attributes.push(KeyValue::new("messaging.operation.type", operation));
        self
    }

    /// A child of the root span with this id.
    pub(crate) fn below(mut self, parent: u64) -> Self {
        let (id, parent) = (self.span.span_context.span_id(), context(parent));
        let (trace, flags) = (parent.trace_id(), TraceFlags::SAMPLED);
        self.span.span_context = SpanContext::new(trace, id, flags, false, TraceState::NONE);
        self.span.parent_span_id = parent.span_id();
        self
    }

    /// With a link to the root span with this id.
    pub(crate) fn linked(mut self, target: u64) -> Self {
        self.span.links.links.push(Link::with_context(context(target)));
        self
    }

    pub(crate) fn failed(mut self, why: &'static str) -> Self {
        self.span.status = Status::error(why);
        self
    }
}

/// Of the root span with this id. The half of a span's id that is printed tells it.
fn context(id: u64) -> SpanContext {
    let (trace, span) = (TraceId::from(u128::from(id)), SpanId::from(id << 32));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}
