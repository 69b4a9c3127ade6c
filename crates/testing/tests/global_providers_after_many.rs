//! Tests that global providers are found if they are set after many operations. Every 64th
//! operation looks them up.

use opentelemetry::global;
use otel_messaging_core::Instrumentation;
use otel_messaging_testing::{
    telemetry::Telemetry,
    toy::{Broker, Producer, Record},
};

#[tokio::test]
async fn r01_providers_are_found_within_64_operations() {
    let producer = Producer::new(&Broker::new(1), &Instrumentation::default());
    let send = || async { producer.send(Record::new("orders", "7 apples")).await.unwrap() };
    for _ in 0..100 {
        send().await;
    }
    let telemetry = Telemetry::new();
    global::set_tracer_provider(telemetry.tracer_provider());
    global::set_meter_provider(telemetry.meter_provider());
    for _ in 0..64 {
        send().await;
    }
    assert!(!telemetry.spans().is_empty(), "the tracer was found");
    assert!(!telemetry.histogram_sums("messaging.client.operation.duration").is_empty());
    let found = telemetry.spans().len();
    for _ in 0..100 {
        send().await;
    }
    assert_eq!(telemetry.spans().len(), found + 100, "every operation records from then on");
}
