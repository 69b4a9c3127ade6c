//! Implements the second reference, code as in tutorials: it builds attributes with `String` values
//! for each span, names with `format!`, uses the boxed tracer of the global API, and copies headers
//! through a `HashMap`.

use std::{collections::HashMap, hint::black_box};

use opentelemetry::{
    Context, InstrumentationScope, KeyValue,
    global::{BoxedTracer, ObjectSafeTracerProvider},
    propagation::TextMapPropagator,
    trace::{Link, SpanKind, TraceContextExt, Tracer},
};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};

use crate::{
    bare,
    providers::{RAISED_LINK_LIMIT, Sampling, tracer_provider},
    record::{DESTINATION, OFFSET, PARTITION, Record},
};

/// A producer or consumer with spans and without metrics.
#[derive(Debug)]
pub struct Traced {
    tracer: BoxedTracer,
    propagator: TraceContextPropagator,
    _provider: SdkTracerProvider,
}

impl Traced {
    /// Makes a producer or consumer whose spans are sampled as given.
    pub fn new(sampling: Sampling) -> Self {
        let provider = tracer_provider(sampling, RAISED_LINK_LIMIT);
        let scope = InstrumentationScope::builder("hand-written").build();
        Self {
            // The type that `global::tracer` returns, without setting the global provider.
            tracer: BoxedTracer::new(provider.boxed_tracer(scope)),
            propagator: TraceContextPropagator::new(),
            _provider: provider,
        }
    }

    /// Sends one message and receives the broker's answer.
    pub fn send(&self, record: &mut Record) {
        record.headers_mut().clear();
        let span = self
            .tracer
            .span_builder(format!("send {}", black_box(DESTINATION)))
            .with_kind(SpanKind::Producer)
            .with_attributes(attributes("send", "send"))
            .start(&self.tracer);
        let context = Context::current_with_span(span);
        let mut carrier = HashMap::new();
        self.propagator.inject_context(&context, &mut carrier);
        for (name, value) in &carrier {
            record.headers_mut().put(name, value);
        }
        bare::hand_over(record);
        context.span().end();
    }

    /// Receives one message.
    pub fn receive(&self, record: &Record) {
        let mut attributes = attributes("poll", "receive");
        attributes.extend(offset(record));
        drop(
            self.tracer
                .span_builder(format!("poll {}", black_box(DESTINATION)))
                .with_kind(SpanKind::Client)
                .with_attributes(attributes)
                .with_links(vec![self.link(record, Vec::new())])
                .start(&self.tracer),
        );
        black_box(record);
    }

    /// Processes one message.
    pub fn process(&self, record: &Record) {
        let mut attributes = attributes("process", "process");
        attributes.extend(offset(record));
        let span = self
            .tracer
            .span_builder(format!("process {}", black_box(DESTINATION)))
            .with_kind(SpanKind::Consumer)
            .with_attributes(attributes)
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
        let mut links = Vec::new();
        for record in records {
            links.push(self.link(record, offset(record).into_iter().collect()));
        }
        let span = self
            .tracer
            .span_builder(format!("process {}", black_box(DESTINATION)))
            .with_kind(SpanKind::Consumer)
            .with_attributes(attributes("process", "process"))
            .with_links(links)
            .start(&self.tracer);
        let context = Context::current_with_span(span);
        {
            let _current = context.clone().attach();
            bare::work(&records);
        }
        context.span().end();
    }

    fn link(&self, record: &Record, attributes: Vec<KeyValue>) -> Link {
        let mut carrier = HashMap::new();
        for (name, value) in record.headers().iter() {
            carrier.insert(name.to_owned(), value.to_owned());
        }
        let remote = self.propagator.extract_with_context(&Context::new(), &carrier);
        Link::new(remote.span().span_context().clone(), attributes, 0)
    }
}

fn attributes(name: &'static str, kind: &'static str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", "kafka"),
        KeyValue::new("messaging.operation.name", name),
        KeyValue::new("messaging.operation.type", kind),
        KeyValue::new("messaging.destination.name", black_box(DESTINATION).to_string()),
        KeyValue::new("messaging.client.id", black_box("client-1").to_string()),
        KeyValue::new("server.address", black_box("broker.example").to_string()),
        KeyValue::new("server.port", 9092_i64),
        KeyValue::new("messaging.destination.partition.id", black_box(PARTITION).to_string()),
    ]
}

fn offset(record: &Record) -> Option<KeyValue> {
    record.offset().map(|offset| KeyValue::new(OFFSET, offset))
}
