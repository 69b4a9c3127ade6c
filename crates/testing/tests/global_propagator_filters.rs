//! Tests R1 with a global propagator that has the fields of W3C Trace Context and filters them. The
//! core must call it, instead of its own W3C code.

use opentelemetry::{
    Context, TraceFlags,
    context::FutureExt as _,
    global,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::{SpanContext, TraceContextExt as _, TraceState},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use otel_messaging_core::{CreationContext, Instrumentation};
use otel_messaging_testing::{
    telemetry::Telemetry,
    toy::{Broker, Consumer, Producer, Record},
};

/// Writes no `tracestate` and extracts no context, as a company may do at its network boundary.
#[derive(Debug, Default)]
struct Border(TraceContextPropagator);

impl TextMapPropagator for Border {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let span = context.span().span_context().clone();
        let span = SpanContext::new(
            span.trace_id(),
            span.span_id(),
            span.trace_flags(),
            span.is_remote(),
            TraceState::NONE,
        );
        self.0.inject_context(&context.with_remote_span_context(span), injector);
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        match extractor.get("x-partner") {
            Some(_) => context.clone(),
            None => self.0.extract_with_context(context, extractor),
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        self.0.fields()
    }
}

#[tokio::test]
async fn r01_a_propagator_that_filters_is_asked() {
    global::set_text_map_propagator(Border::default());
    let telemetry = Telemetry::new();
    let instrumentation =
        Instrumentation::builder().with_tracer_provider(telemetry.tracer_provider()).build();
    let broker = Broker::new(1);
    let producer = Producer::new(&broker, &instrumentation);
    let consumer = Consumer::new(&broker, ["orders"], &instrumentation);

    let creation = CreationContext::from_map([(
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )]);
    let (span, flags) = (creation.span_context(), TraceFlags::SAMPLED);
    let state = TraceState::from_key_value([("secret", "1")]).unwrap();
    let span = SpanContext::new(span.trace_id(), span.span_id(), flags, true, state);
    let ambient = Context::new().with_remote_span_context(span);
    producer.send(Record::new("orders", "7 apples")).with_context(ambient).await.unwrap();
    let message = consumer.receive().await.unwrap();
    let names: Vec<&str> = message.headers.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["traceparent"], "the tracestate was filtered");
    assert!(message.creation_context().is_valid());

    let mut foreign = Record::clone(&message);
    foreign.headers.push(("x-partner".to_owned(), Some(b"1".to_vec())));
    broker.store(foreign).await.unwrap();
    let message = consumer.receive().await.unwrap();
    assert!(!message.creation_context().is_valid(), "the context was filtered");
}
