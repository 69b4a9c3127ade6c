//! Tests R1 with a global propagator for W3C Trace Context: the default instrumentation uses it,
//! and writes no baggage. It may be set after the clients are made.

use opentelemetry::{Context, KeyValue, baggage::BaggageExt as _, context::FutureExt as _, global};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use otel_messaging_core::Instrumentation;
use otel_messaging_testing::{
    telemetry::Telemetry,
    toy::{Broker, Consumer, Producer, Record},
};

#[tokio::test]
async fn r01_the_global_propagator_is_used() {
    let telemetry = Telemetry::new();
    let instrumentation =
        Instrumentation::builder().with_tracer_provider(telemetry.tracer_provider()).build();
    let broker = Broker::new(1);
    let producer = Producer::new(&broker, &instrumentation);
    let consumer = Consumer::new(&broker, ["orders"], &instrumentation);
    global::set_text_map_propagator(TraceContextPropagator::new());

    let ambient = Context::new().with_baggage([KeyValue::new("tenant", "north")]);
    producer.send(Record::new("orders", "7 apples")).with_context(ambient).await.unwrap();
    let message = consumer.receive().await.unwrap();
    let names: Vec<&str> = message.headers.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["traceparent"], "no empty tracestate is written");
    assert!(message.creation_context().is_valid());
}
