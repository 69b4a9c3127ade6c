//! What the SDK takes alone for the same spans and metrics as ours: attributes are ready to be
//! copied, the header is a constant, none is read, and links lead to a constant context.

use std::{hint::black_box, time::Instant};

use opentelemetry::{
    Context,
    metrics::{Counter, Histogram, MeterProvider},
    trace::{Span as _, SpanKind, TraceContextExt},
};
use opentelemetry_sdk::{metrics::SdkMeterProvider, trace::Span};
use otel_messaging_benches::{
    providers::{Sampling, meter_provider},
    sdk::Spans,
};
use otel_messaging_core::semconv::DURATION_BOUNDARIES;

use super::{Called, Origin, Sent, TRACEPARENT};

/// The SDK's spans and metrics.
pub(crate) struct Sdk {
    spans: Spans,
    client_duration: Histogram<f64>,
    process_duration: Histogram<f64>,
    sent: Counter<u64>,
    consumed: Counter<u64>,
    _provider: SdkMeterProvider,
}

impl Sdk {
    /// Makes one whose spans are sampled as given.
    pub(crate) fn new(system: &'static str, sampling: Sampling) -> Self {
        let provider = meter_provider();
        let meter = provider.meter("sdk");
        let histogram = |name| {
            let histogram = meter.f64_histogram(name).with_unit("s");
            histogram.with_boundaries(DURATION_BOUNDARIES.to_vec()).build()
        };
        Self {
            spans: Spans::new(system, sampling),
            client_duration: histogram("messaging.client.operation.duration"),
            process_duration: histogram("messaging.process.duration"),
            sent: meter.u64_counter("messaging.client.sent.messages").build(),
            consumed: meter.u64_counter("messaging.client.consumed.messages").build(),
            _provider: provider,
        }
    }

    pub(super) fn send(&self, put: &mut dyn FnMut(&str, &str)) -> Sent {
        let called = Instant::now();
        let span = self.spans.start(SpanKind::Producer, 0);
        black_box(span.span_context());
        put(TRACEPARENT.0, TRACEPARENT.1);
        // What does not record need not be kept.
        Sent::Span(span.is_recording().then(|| Box::new(span)), called)
    }

    pub(super) fn sent(&self, span: Option<Box<Span>>, called: Instant) {
        if let Some(mut span) = span {
            span.end();
        }
        self.client_duration.record(called.elapsed().as_secs_f64(), self.spans.metric_attributes());
        self.sent.add(1, self.spans.metric_attributes());
    }

    pub(super) fn received(&self, called: &Called, origins: &[Origin]) {
        drop(self.spans.start(SpanKind::Client, origins.len()));
        let seconds = called.clock.elapsed().as_secs_f64();
        self.client_duration.record(seconds, self.spans.metric_attributes());
        self.consumed.add(origins.len() as u64, self.spans.metric_attributes());
    }

    pub(super) fn process(&self, origins: &[Origin], work: impl FnOnce()) {
        let started = Instant::now();
        let span = self.spans.start(SpanKind::Consumer, origins.len());
        // The handler's spans are children of this one.
        let context = Context::current_with_span(span);
        {
            let _current = context.clone().attach();
            work();
        }
        context.span().end();
        let seconds = started.elapsed().as_secs_f64();
        self.process_duration.record(seconds, self.spans.metric_attributes());
    }

    pub(super) async fn settle<T>(&self, settle: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let outcome = settle.await;
        drop(self.spans.start(SpanKind::Client, 1));
        let seconds = started.elapsed().as_secs_f64();
        self.client_duration.record(seconds, self.spans.metric_attributes());
        outcome
    }
}
