//! Calls the SDK for the same spans as ours: attributes are ready to be copied, the name is static,
//! and links lead to a constant context. What is left is what the SDK takes alone.

use std::time::SystemTime;

use opentelemetry::{
    KeyValue, SpanId, TraceFlags, TraceId,
    trace::{
        Link, Span as _, SpanBuilder, SpanContext, SpanKind, TraceState, Tracer, TracerProvider,
    },
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};

use crate::providers::{RAISED_LINK_LIMIT, Sampling, tracer_provider};

/// So many of the attributes of a span are those of its metrics.
const METRIC_ATTRIBUTES: usize = 6;

/// The SDK's tracer, and what it is given.
#[derive(Debug)]
pub struct Spans {
    tracer: SdkTracer,
    attributes: Vec<KeyValue>,
    link: SpanContext,
    _provider: SdkTracerProvider,
}

impl Spans {
    /// Makes one whose spans are sampled as given.
    pub fn new(system: &'static str, sampling: Sampling) -> Self {
        let provider = tracer_provider(sampling, RAISED_LINK_LIMIT);
        let (trace_id, span_id) = (TraceId::from(1), SpanId::from(1));
        let (flags, state) = (TraceFlags::SAMPLED, TraceState::NONE);
        Self {
            tracer: provider.tracer("sdk"),
            attributes: vec![
                KeyValue::new("messaging.system", system),
                KeyValue::new("messaging.operation.name", "process"),
                KeyValue::new("messaging.destination.name", "orders"),
                KeyValue::new("messaging.destination.partition.id", "0"),
                KeyValue::new("server.address", "127.0.0.1"),
                KeyValue::new("server.port", 9092_i64),
                KeyValue::new("messaging.operation.type", "process"),
                KeyValue::new("messaging.client.id", "client-1"),
            ],
            link: SpanContext::new(trace_id, span_id, flags, true, state),
            _provider: provider,
        }
    }

    /// Starts a span with so many links.
    #[inline]
    pub fn start(&self, kind: SpanKind, links: usize) -> Span {
        let links = (links > 0).then(|| vec![Link::new(self.link.clone(), Vec::new(), 0); links]);
        self.tracer.build(SpanBuilder {
            name: "process orders".into(),
            span_kind: Some(kind),
            start_time: Some(SystemTime::now()),
            attributes: Some(self.attributes.clone()),
            links,
            events: None,
        })
    }

    /// Starts and ends the span of a send.
    #[inline]
    pub fn send(&self) {
        self.start(SpanKind::Producer, 0).end();
    }

    /// Returns the attributes of the spans' metrics.
    pub fn metric_attributes(&self) -> &[KeyValue] {
        &self.attributes[..METRIC_ATTRIBUTES]
    }
}
