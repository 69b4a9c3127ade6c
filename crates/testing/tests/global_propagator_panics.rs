//! Tests that messages are sent and received without a context if the global propagator panics.

use opentelemetry::global;
use otel_messaging_core::Instrumentation;
use otel_messaging_testing::{
    faults::PanickingPropagator,
    telemetry::Telemetry,
    toy::{Broker, Consumer, Producer, Record},
};

#[tokio::test]
async fn r04_a_global_propagator_that_panics_is_ignored() {
    global::set_text_map_propagator(PanickingPropagator);
    let (telemetry, broker) = (Telemetry::new(), Broker::new(1));
    let instrumentation =
        Instrumentation::builder().with_tracer_provider(telemetry.tracer_provider()).build();
    let producer = Producer::new(&broker, &instrumentation);
    let consumer = Consumer::new(&broker, ["orders"], &instrumentation);
    for _ in 0..20 {
        producer.send(Record::new("orders", "7 apples")).await.unwrap();
        let order = consumer.receive().await.unwrap();
        order.process(async {}).await;
        consumer.ack(&order).unwrap();
        assert_eq!(order.headers, []);
    }
    assert_eq!(telemetry.spans().len(), 20 * 4);
}
