//! Tests spans together with `tracing-opentelemetry`: spans of each can be parents of the other's.

use opentelemetry::trace::SpanKind;
use otel_messaging_core::Instrumentation;
use otel_messaging_testing::{
    telemetry::{FinishedSpan, Telemetry},
    toy::{Broker, Consumer, Producer, Record},
};
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;

#[track_caller]
fn the<'a>(spans: &'a [FinishedSpan], name: &str) -> &'a FinishedSpan {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    let [found] = found[..] else { panic!("expected exactly one span {name:?}: {spans:#?}") };
    found
}

#[track_caller]
fn assert_child(spans: &[FinishedSpan], child: &str, parent: &str) {
    let (child, parent) = (the(spans, child), the(spans, parent));
    assert_eq!(
        child.parent_span_id,
        parent.span_context.span_id(),
        "{} in {}",
        child.name,
        parent.name
    );
    assert_eq!(child.span_context.trace_id(), parent.span_context.trace_id());
}

#[tokio::test]
async fn spans_of_both_are_in_one_tree() {
    let telemetry = Telemetry::new();
    let layer = tracing_opentelemetry::layer().with_tracer(telemetry.tracer());
    let subscriber = tracing_subscriber::registry().with(layer);
    // The runtime runs on this thread only, so the thread's default subscriber is enough.
    let _default = tracing::subscriber::set_default(subscriber);
    let instrumentation =
        Instrumentation::builder().with_tracer_provider(telemetry.tracer_provider()).build();
    let broker = Broker::new(1);
    let producer = Producer::new(&broker, &instrumentation);
    let consumer = Consumer::new(&broker, ["orders"], &instrumentation);

    let checkout = tracing::info_span!("checkout");
    producer.send(Record::new("orders", "7 apples")).instrument(checkout).await.unwrap();
    let order = consumer.receive().await.unwrap();
    let handler = async {
        let work = async {
            tokio::task::yield_now().await;
            producer.send(Record::new("bills", "7 apples")).await.map(drop)
        };
        work.instrument(tracing::info_span!("charge")).await
    };
    order.process(handler).await.unwrap();

    let spans = telemetry.wait_for(6);
    assert_eq!(spans.len(), 6);
    assert_child(&spans, "publish orders", "checkout");
    assert_child(&spans, "charge", "process orders");
    assert_child(&spans, "publish bills", "charge");
    let (publish, process) = (the(&spans, "publish orders"), the(&spans, "process orders"));
    assert_eq!(publish.span_kind, SpanKind::Producer);
    assert_eq!(process.links.len(), 1);
    assert_eq!(process.links[0].span_context.span_id(), publish.span_context.span_id());
    assert_ne!(process.span_context.trace_id(), publish.span_context.trace_id());
}
