//! Tests R1 with the global providers: they may be set after the first operation. A process has
//! one of each, so this test has its own.

use opentelemetry::{Context, KeyValue, baggage::BaggageExt as _, context::FutureExt as _, global};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use otel_messaging_core::Instrumentation;
use otel_messaging_testing::{
    telemetry::Telemetry,
    toy::{Broker, Consumer, Producer, Record},
};

#[tokio::test]
async fn r01_providers_may_be_set_after_the_first_operation() {
    let broker = Broker::new(1);
    let producer = Producer::new(&broker, &Instrumentation::default());
    let consumer = Consumer::new(&broker, ["orders"], &Instrumentation::default());

    // Without providers, messages are sent without a context.
    producer.send(Record::new("orders", "7 apples")).await.unwrap();
    let early = consumer.receive().await.unwrap();
    early.process(async {}).await;
    assert_eq!(early.headers, []);

    // The propagator may be set late too. Unlike the default, this one does not write baggage.
    global::set_text_map_propagator(TraceContextPropagator::new());
    let telemetry = Telemetry::new();
    global::set_tracer_provider(telemetry.tracer_provider());
    telemetry.assert_spans([]);
    let baggage = Context::new().with_baggage([KeyValue::new("tenant", "north")]);
    producer.send(Record::new("orders", "7 apples")).with_context(baggage).await.unwrap();
    let spans = telemetry.spans();
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["publish orders"], "the tracer was looked up again");
    telemetry.assert_metrics([]);

    // The meter provider may be set later than the tracer provider.
    global::set_meter_provider(telemetry.meter_provider());
    let late = consumer.receive().await.unwrap();
    let names: Vec<&str> = late.headers.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["traceparent"]);
    late.process(async {}).await;
    assert_eq!(late.creation_context().span_context().span_id(), spans[0].span_context.span_id());
    assert_eq!(telemetry.histogram_sums("messaging.process.duration").len(), 1);
    assert_eq!(telemetry.histogram_sums("messaging.client.operation.duration").len(), 1);
    let names: Vec<_> = telemetry.spans().into_iter().map(|span| span.name.clone()).collect();
    assert_eq!(names, ["publish orders", "fetch orders", "process orders"]);

    // A producer keeps the providers it found. It does not use one that is set later.
    let other = Telemetry::new();
    global::set_tracer_provider(other.tracer_provider());
    producer.send(Record::new("orders", "7 apples")).await.unwrap();
    other.assert_spans([]);
    assert_eq!(telemetry.spans().len(), 4);
}
