//! Implements the first reference, careful code on the plain API: it builds attributes once with
//! `Arc<str>` values and clones them, has static names, uses the SDK's own tracer type, and lets
//! the standard propagator write into the message.

use std::{hint::black_box, sync::Arc, time::SystemTime};

use opentelemetry::{
    Context, KeyValue,
    metrics::{Counter, Histogram, MeterProvider},
    propagation::TextMapPropagator,
    trace::{Link, SpanKind, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_sdk::{
    metrics::SdkMeterProvider,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};

use crate::{
    bare,
    providers::{RAISED_LINK_LIMIT, Sampling, meter_provider, tracer_provider},
    record::{DESTINATION, OFFSET, PARTITION, Record},
};

/// A producer or consumer with spans and without metrics.
#[derive(Debug)]
pub struct Traced {
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
    send: Vec<KeyValue>,
    poll: Vec<KeyValue>,
    process: Vec<KeyValue>,
    _provider: SdkTracerProvider,
}

impl Traced {
    /// Makes a producer or consumer whose spans are sampled as given.
    pub fn new(sampling: Sampling) -> Self {
        let provider = tracer_provider(sampling, RAISED_LINK_LIMIT);
        Self {
            tracer: provider.tracer("idiomatic"),
            propagator: TraceContextPropagator::new(),
            send: attributes("send", "send"),
            poll: attributes("poll", "receive"),
            process: attributes("process", "process"),
            _provider: provider,
        }
    }

    /// Sends one message and receives the broker's answer.
    pub fn send(&self, record: &mut Record) {
        record.headers_mut().clear();
        let span = self
            .tracer
            .span_builder("send orders")
            .with_kind(SpanKind::Producer)
            .with_attributes(self.send.iter().cloned())
            .start(&self.tracer);
        let context = Context::current_with_span(span);
        self.propagator.inject_context(&context, record.headers_mut());
        bare::hand_over(record);
        context.span().end();
    }

    /// Receives one message, with a span that starts at the time of the call.
    pub fn receive(&self, record: &Record) {
        let called = SystemTime::now();
        drop(
            self.tracer
                .span_builder("poll orders")
                .with_kind(SpanKind::Client)
                .with_start_time(called)
                .with_attributes(self.poll.iter().cloned().chain(offset(record)))
                .with_links(vec![self.link(record, Vec::new())])
                .start(&self.tracer),
        );
        black_box(record);
    }

    /// Processes one message.
    pub fn process(&self, record: &Record) {
        let span = self
            .tracer
            .span_builder("process orders")
            .with_kind(SpanKind::Consumer)
            .with_attributes(self.process.iter().cloned().chain(offset(record)))
            .with_links(vec![self.link(record, Vec::new())])
            .start(&self.tracer);
        let context = Context::current_with_span(span);
        {
            let _current = context.clone().attach();
            bare::work(record);
        }
        context.span().end();
    }

    /// Processes messages as a batch.
    pub fn process_batch(&self, records: &[Record]) {
        let links = records.iter().map(|record| self.link(record, offset(record).collect()));
        let span = self
            .tracer
            .span_builder("process orders")
            .with_kind(SpanKind::Consumer)
            .with_attributes(self.process.iter().cloned())
            .with_links(links.collect())
            .start(&self.tracer);
        let context = Context::current_with_span(span);
        {
            let _current = context.clone().attach();
            bare::work(&records);
        }
        context.span().end();
    }

    fn link(&self, record: &Record, attributes: Vec<KeyValue>) -> Link {
        let remote = self.propagator.extract_with_context(&Context::new(), record.headers());
        Link::new(remote.span().span_context().clone(), attributes, 0)
    }
}

/// A producer with metrics and without spans.
#[derive(Debug)]
pub struct Measured {
    duration: Histogram<f64>,
    sent: Counter<u64>,
    attributes: Vec<KeyValue>,
    _provider: SdkMeterProvider,
}

impl Default for Measured {
    fn default() -> Self {
        let provider = meter_provider();
        let meter = provider.meter("idiomatic");
        Self {
            duration: meter
                .f64_histogram("messaging.client.operation.duration")
                .with_unit("s")
                .with_boundaries(otel_messaging_core::semconv::DURATION_BOUNDARIES.to_vec())
                .build(),
            sent: meter.u64_counter("messaging.client.sent.messages").build(),
            // `messaging.client.id` is an attribute of spans only.
            attributes: attributes("send", "send")
                .into_iter()
                .filter(|attribute| attribute.key.as_str() != "messaging.client.id")
                .collect(),
            _provider: provider,
        }
    }
}

impl Measured {
    /// Records both metrics of one send, with attributes that were built once.
    pub fn record(&self, seconds: f64) {
        self.duration.record(seconds, &self.attributes);
        self.sent.add(1, &self.attributes);
    }
}

/// Returns the eight attributes of an operation.
fn attributes(name: &'static str, kind: &'static str) -> Vec<KeyValue> {
    let text = |text: &str| Arc::<str>::from(text);
    vec![
        KeyValue::new("messaging.system", "kafka"),
        KeyValue::new("messaging.operation.name", name),
        KeyValue::new("messaging.operation.type", kind),
        KeyValue::new("messaging.destination.name", text(DESTINATION)),
        KeyValue::new("messaging.client.id", text("client-1")),
        KeyValue::new("server.address", text("broker.example")),
        KeyValue::new("server.port", 9092_i64),
        KeyValue::new("messaging.destination.partition.id", text(&PARTITION.to_string())),
    ]
}

fn offset(record: &Record) -> impl Iterator<Item = KeyValue> {
    record.offset().map(|offset| KeyValue::new(OFFSET, offset)).into_iter()
}
