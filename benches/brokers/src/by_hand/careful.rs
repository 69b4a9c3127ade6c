//! Careful code for the same spans and metrics as ours: attributes built once and shared, static
//! names, the SDK's tracer, propagator and plain instruments.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use opentelemetry::{
    Context, KeyValue,
    metrics::{Counter, Histogram, MeterProvider},
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{Link, SpanContext, SpanKind, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_sdk::{
    metrics::SdkMeterProvider,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use otel_messaging_benches::providers::{
    RAISED_LINK_LIMIT, Sampling, meter_provider, tracer_provider,
};
use otel_messaging_core::semconv::DURATION_BOUNDARIES;

use super::{Called, Origin, Sent};

/// The careful producer or consumer.
pub(crate) struct Careful {
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
    send: Attributes,
    receive: Attributes,
    process: Attributes,
    settle: Attributes,
    client_duration: Histogram<f64>,
    process_duration: Histogram<f64>,
    sent: Counter<u64>,
    consumed: Counter<u64>,
    _providers: (SdkTracerProvider, SdkMeterProvider),
}

/// The attributes of an operation. Metrics have neither the client's id nor the operation's type.
struct Attributes {
    span: Vec<KeyValue>,
    metrics: Vec<KeyValue>,
}

impl Careful {
    /// Makes one whose spans are sampled as given.
    pub(crate) fn new(system: &'static str, sampling: Sampling) -> Self {
        let providers = (tracer_provider(sampling, RAISED_LINK_LIMIT), meter_provider());
        let meter = providers.1.meter("careful");
        let histogram = |name| {
            let histogram = meter.f64_histogram(name).with_unit("s");
            histogram.with_boundaries(DURATION_BOUNDARIES.to_vec()).build()
        };
        Self {
            tracer: providers.0.tracer("careful"),
            propagator: TraceContextPropagator::new(),
            send: Attributes::new(system, "send", "send"),
            receive: Attributes::new(system, "receive", "receive"),
            process: Attributes::new(system, "process", "process"),
            settle: Attributes::new(system, "ack", "settle"),
            client_duration: histogram("messaging.client.operation.duration"),
            process_duration: histogram("messaging.process.duration"),
            sent: meter.u64_counter("messaging.client.sent.messages").build(),
            consumed: meter.u64_counter("messaging.client.consumed.messages").build(),
            _providers: providers,
        }
    }

    pub(super) fn send(&self, put: &mut dyn FnMut(&str, &str)) -> Sent {
        let called = Instant::now();
        let span = self
            .tracer
            .span_builder("send orders")
            .with_kind(SpanKind::Producer)
            .with_attributes(self.send.span.iter().cloned())
            .start(&self.tracer);
        let context = Context::current_with_span(span);
        self.propagator.inject_context(&context, &mut Put(put));
        Sent::Context(context, called)
    }

    pub(super) fn sent(&self, context: &Context, called: Instant, position: Option<i64>) {
        let span = context.span();
        if let (Some(position), true) = (position, span.is_recording()) {
            span.set_attribute(KeyValue::new("messaging.message.position", position));
        }
        span.end();
        self.client_duration.record(called.elapsed().as_secs_f64(), &self.send.metrics);
        self.sent.add(1, &self.send.metrics);
    }

    pub(super) fn extract(&self, traceparent: &str) -> Option<SpanContext> {
        let remote = self.propagator.extract_with_context(&Context::new(), &Header(traceparent));
        let context = remote.span().span_context().clone();
        context.is_valid().then_some(context)
    }

    pub(super) fn received(&self, called: &Called, origins: &[Origin]) {
        drop(
            self.tracer
                .span_builder("receive orders")
                .with_kind(SpanKind::Client)
                .with_start_time(called.wall)
                .with_attributes(with_count(&self.receive.span, origins))
                .with_links(links(origins))
                .start(&self.tracer),
        );
        let seconds = called.clock.elapsed().as_secs_f64();
        self.client_duration.record(seconds, &self.receive.metrics);
        self.consumed.add(origins.len() as u64, &self.receive.metrics);
    }

    pub(super) fn process(&self, origins: &[Origin], work: impl FnOnce()) {
        let started = Instant::now();
        let span = self
            .tracer
            .span_builder("process orders")
            .with_kind(SpanKind::Consumer)
            .with_attributes(with_count(&self.process.span, origins))
            .with_links(links(origins))
            .start(&self.tracer);
        let context = Context::current_with_span(span);
        {
            let _current = context.clone().attach();
            work();
        }
        context.span().end();
        self.process_duration.record(started.elapsed().as_secs_f64(), &self.process.metrics);
    }

    pub(super) async fn settle<T>(&self, origin: &Origin, settle: impl Future<Output = T>) -> T {
        let (called, started) = (SystemTime::now(), Instant::now());
        let outcome = settle.await;
        drop(
            self.tracer
                .span_builder("ack orders")
                .with_kind(SpanKind::Client)
                .with_start_time(called)
                .with_attributes(self.settle.span.iter().cloned())
                .with_links(links(std::slice::from_ref(origin)))
                .start(&self.tracer),
        );
        self.client_duration.record(started.elapsed().as_secs_f64(), &self.settle.metrics);
        outcome
    }
}

impl Attributes {
    fn new(system: &'static str, name: &'static str, kind: &'static str) -> Self {
        let text = |text: &str| Arc::<str>::from(text);
        let metrics = vec![
            KeyValue::new("messaging.system", system),
            KeyValue::new("messaging.operation.name", name),
            KeyValue::new("messaging.destination.name", text("orders")),
            KeyValue::new("server.address", text("127.0.0.1")),
            KeyValue::new("server.port", 9092_i64),
        ];
        let mut span = metrics.clone();
        span.push(KeyValue::new("messaging.operation.type", kind));
        span.push(KeyValue::new("messaging.client.id", text("client-1")));
        Self { span, metrics }
    }
}

/// Adds the number of messages, if they are a batch.
fn with_count(attributes: &[KeyValue], origins: &[Origin]) -> Vec<KeyValue> {
    let mut attributes = attributes.to_vec();
    if origins.len() > 1 {
        let count = i64::try_from(origins.len()).unwrap_or(i64::MAX);
        attributes.push(KeyValue::new("messaging.batch.message_count", count));
    }
    attributes
}

fn links(origins: &[Origin]) -> Vec<Link> {
    let link = |origin: &Origin| {
        let position = KeyValue::new("messaging.message.position", origin.position);
        Some(Link::new(origin.context.clone()?, vec![position], 0))
    };
    origins.iter().filter_map(link).collect()
}

/// Writes the propagator's fields, but not an empty `tracestate`.
struct Put<'a>(&'a mut dyn FnMut(&str, &str));

impl Injector for Put<'_> {
    fn set(&mut self, name: &str, value: String) {
        if !value.is_empty() {
            (self.0)(name, &value);
        }
    }
}

/// A message's only header.
struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        (name == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}
