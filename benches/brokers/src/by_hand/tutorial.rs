//! The code of a tutorial: attributes as `String`s, names by `format!`, a `HashMap` as the carrier,
//! one span for a message or a batch, no metrics.

use std::{collections::HashMap, hint::black_box, time::Instant};

use opentelemetry::{
    Context, InstrumentationScope, KeyValue,
    global::{BoxedTracer, ObjectSafeTracerProvider},
    propagation::TextMapPropagator,
    trace::{Link, SpanContext, SpanKind, TraceContextExt, Tracer},
};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use otel_messaging_benches::providers::{RAISED_LINK_LIMIT, Sampling, tracer_provider};

use super::{Origin, Sent};

/// A tutorial's producer or consumer.
pub(crate) struct Tutorial {
    tracer: BoxedTracer,
    propagator: TraceContextPropagator,
    system: &'static str,
    _provider: SdkTracerProvider,
}

impl Tutorial {
    /// Makes one whose spans are all sampled.
    pub(crate) fn new(system: &'static str) -> Self {
        let provider = tracer_provider(Sampling::Recording, RAISED_LINK_LIMIT);
        let scope = InstrumentationScope::builder("tutorial").build();
        Self {
            tracer: BoxedTracer::new(provider.boxed_tracer(scope)),
            propagator: TraceContextPropagator::new(),
            system,
            _provider: provider,
        }
    }

    pub(super) fn send(&self, put: &mut dyn FnMut(&str, &str)) -> Sent {
        let span = self
            .tracer
            .span_builder(format!("send {}", black_box("orders")))
            .with_kind(SpanKind::Producer)
            .with_attributes(self.attributes("send"))
            .start(&self.tracer);
        let context = Context::current_with_span(span);
        let mut carrier = HashMap::new();
        self.propagator.inject_context(&context, &mut carrier);
        for (name, value) in &carrier {
            // The context has no state; clients refuse empty headers or send them for nothing.
            if !value.is_empty() {
                put(name, value);
            }
        }
        Sent::Context(context, Instant::now())
    }

    pub(super) fn sent(context: &Context) {
        context.span().end();
    }

    pub(super) fn extract(&self, traceparent: &str) -> SpanContext {
        let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
        let remote = self.propagator.extract_with_context(&Context::new(), &carrier);
        remote.span().span_context().clone()
    }

    pub(super) fn process(&self, origins: &[Origin], work: impl FnOnce()) {
        let mut attributes = self.attributes("process");
        let mut links = Vec::new();
        for origin in origins {
            let position = KeyValue::new("messaging.message.offset", origin.position);
            let context = origin.context.clone().unwrap_or(SpanContext::NONE);
            links.push(Link::new(context, vec![position], 0));
        }
        if origins.len() > 1 {
            let count = i64::try_from(origins.len()).unwrap_or(i64::MAX);
            attributes.push(KeyValue::new("messaging.batch.message_count", count));
        }
        let span = self
            .tracer
            .span_builder(format!("process {}", black_box("orders")))
            .with_kind(SpanKind::Consumer)
            .with_attributes(attributes)
            .with_links(links)
            .start(&self.tracer);
        let context = Context::current_with_span(span);
        {
            let _current = context.clone().attach();
            work();
        }
        context.span().end();
    }

    fn attributes(&self, operation: &'static str) -> Vec<KeyValue> {
        vec![
            KeyValue::new("messaging.system", self.system),
            KeyValue::new("messaging.operation.name", operation.to_string()),
            KeyValue::new("messaging.operation.type", operation.to_string()),
            KeyValue::new("messaging.destination.name", black_box("orders").to_string()),
            KeyValue::new("messaging.client.id", black_box("client-1").to_string()),
            KeyValue::new("server.address", black_box("127.0.0.1").to_string()),
            KeyValue::new("server.port", 9092_i64),
        ]
    }
}
