//! What the SDK takes alone for the same spans and metrics as ours: attributes are ready to be
//! copied, the header is a constant, none is read, and links lead to a constant context.

use std::{
    hint::black_box,
    time::{Instant, SystemTime},
};

use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId,
    metrics::{Counter, Histogram, MeterProvider},
    trace::{
        Link, Span as _, SpanBuilder, SpanContext, SpanKind, TraceContextExt, TraceState, Tracer,
        TracerProvider,
    },
};
use opentelemetry_sdk::{
    metrics::SdkMeterProvider,
    trace::{SdkTracer, SdkTracerProvider, Span},
};
use otel_messaging_benches::providers::{
    RAISED_LINK_LIMIT, Sampling, meter_provider, tracer_provider,
};
use otel_messaging_core::semconv::DURATION_BOUNDARIES;

use super::{Called, Origin, Sent, TRACEPARENT};

/// The SDK, and what it is given.
pub(crate) struct Sdk {
    tracer: SdkTracer,
    /// The attributes of each span, and those of its metrics, which are fewer.
    attributes: Vec<KeyValue>,
    link: SpanContext,
    client_duration: Histogram<f64>,
    process_duration: Histogram<f64>,
    sent: Counter<u64>,
    consumed: Counter<u64>,
    _providers: (SdkTracerProvider, SdkMeterProvider),
}

/// So many of the attributes are those of metrics.
const METRIC_ATTRIBUTES: usize = 6;

impl Sdk {
    /// Makes one whose spans are sampled as given.
    pub(crate) fn new(system: &'static str, sampling: Sampling) -> Self {
        let providers = (tracer_provider(sampling, RAISED_LINK_LIMIT), meter_provider());
        let meter = providers.1.meter("sdk");
        let histogram = |name| {
            let histogram = meter.f64_histogram(name).with_unit("s");
            histogram.with_boundaries(DURATION_BOUNDARIES.to_vec()).build()
        };
        let (trace_id, span_id) = (TraceId::from(1), SpanId::from(1));
        let (flags, state) = (TraceFlags::SAMPLED, TraceState::NONE);
        Self {
            tracer: providers.0.tracer("sdk"),
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
            client_duration: histogram("messaging.client.operation.duration"),
            process_duration: histogram("messaging.process.duration"),
            sent: meter.u64_counter("messaging.client.sent.messages").build(),
            consumed: meter.u64_counter("messaging.client.consumed.messages").build(),
            _providers: providers,
        }
    }

    pub(super) fn send(&self, put: &mut dyn FnMut(&str, &str)) -> Sent {
        let called = Instant::now();
        let span = self.start(SpanKind::Producer, 0);
        black_box(span.span_context());
        put(TRACEPARENT.0, TRACEPARENT.1);
        // What does not record need not be kept.
        Sent::Span(span.is_recording().then(|| Box::new(span)), called)
    }

    pub(super) fn sent(&self, span: Option<Box<Span>>, called: Instant) {
        if let Some(mut span) = span {
            span.end();
        }
        self.client_duration.record(called.elapsed().as_secs_f64(), self.metric_attributes());
        self.sent.add(1, self.metric_attributes());
    }

    pub(super) fn received(&self, called: &Called, origins: &[Origin]) {
        drop(self.start(SpanKind::Client, origins.len()));
        let seconds = called.clock.elapsed().as_secs_f64();
        self.client_duration.record(seconds, self.metric_attributes());
        self.consumed.add(origins.len() as u64, self.metric_attributes());
    }

    pub(super) fn process(&self, origins: &[Origin], work: impl FnOnce()) {
        let started = Instant::now();
        let span = self.start(SpanKind::Consumer, origins.len());
        // The handler's spans are children of this one.
        let context = Context::current_with_span(span);
        {
            let _current = context.clone().attach();
            work();
        }
        context.span().end();
        let seconds = started.elapsed().as_secs_f64();
        self.process_duration.record(seconds, self.metric_attributes());
    }

    pub(super) async fn settle<T>(&self, settle: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let outcome = settle.await;
        drop(self.start(SpanKind::Client, 1));
        let seconds = started.elapsed().as_secs_f64();
        self.client_duration.record(seconds, self.metric_attributes());
        outcome
    }

    /// Starts a span with so many links.
    fn start(&self, kind: SpanKind, links: usize) -> Span {
        let links = (links > 0).then(|| vec![Link::new(self.link.clone(), Vec::new(), 0); links]);
        let builder = SpanBuilder {
            name: "process orders".into(),
            span_kind: Some(kind),
            start_time: Some(SystemTime::now()),
            attributes: Some(self.attributes.clone()),
            links,
            events: None,
        };
        self.tracer.build(builder)
    }

    fn metric_attributes(&self) -> &[KeyValue] {
        &self.attributes[..METRIC_ATTRIBUTES]
    }
}
