//! A global propagator that panics: messages are sent and received without a context.

use opentelemetry::{
    Context, global,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
};
use otel_messaging_core::Instrumentation;
use otel_messaging_testing::{
    telemetry::Telemetry,
    toy::{Broker, Consumer, Producer, Record},
};

#[derive(Debug)]
struct Panicking;

impl TextMapPropagator for Panicking {
    fn inject_context(&self, _: &Context, _: &mut dyn Injector) {
        panic!("this propagator panics, as the test wants")
    }

    fn extract_with_context(&self, _: &Context, _: &dyn Extractor) -> Context {
        panic!("this propagator panics, as the test wants")
    }

    fn fields(&self) -> FieldIter<'_> {
        panic!("this propagator panics, as the test wants")
    }
}

#[tokio::test]
async fn r04_a_global_propagator_that_panics_is_ignored() {
    global::set_text_map_propagator(Panicking);
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
