use std::sync::Arc;

use allocation_counter::measure;
use futures::FutureExt as _;
use lapin::{
    BasicProperties,
    options::BasicAckOptions,
    types::{AMQPValue, FieldTable},
};
use otel_messaging_core::InstrumentationBuilder;
use otel_messaging_testing::{rungs::Rung, telemetry::Telemetry};

use super::*;

/// Counts the allocations for one delivery, from its hand-over to its drop, beside those of the
/// client. `settle` is what is done with it meanwhile.
#[track_caller]
fn allocations(instrumentation: &Instrumentation, settle: fn(&Delivery)) -> u64 {
    let mut origin = Origin::new(server::instrumenter(None, instrumentation), "q".into());
    origin.unsettled = Some(Arc::default());
    let mut bare: Vec<_> = (1..=20).map(delivery).collect();
    let mut deliver = |delivery| settle(&Delivery::extract(&origin, delivery));
    let last = bare.pop().unwrap();
    // The first deliveries build what is built once.
    bare.into_iter().for_each(&mut deliver);
    measure(|| deliver(last)).count_total
}

fn delivery(tag: DeliveryTag) -> bare::Delivery {
    let mut headers = FieldTable::default();
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.into()));
    let mut delivery = bare::Delivery::mock(tag, "shop".into(), "new".into(), false, Vec::new());
    delivery.properties = BasicProperties::default().with_headers(headers);
    delivery
}

fn acknowledge(delivery: &Delivery) {
    let acknowledged = delivery.ack(BasicAckOptions::default()).now_or_never();
    assert_eq!(acknowledged, Some(Ok(true)));
}

fn traced(choose: fn(InstrumentationBuilder) -> InstrumentationBuilder) -> Instrumentation {
    let telemetry = Telemetry::new();
    let builder = Instrumentation::builder()
        .with_tracer_provider(telemetry.tracer_provider())
        .with_meter_provider(telemetry.meter_provider());
    choose(builder).build()
}

#[test]
fn a_delivery_allocates_nothing_unless_it_is_settled_in_a_span() {
    let disabled = Instrumentation::disabled();
    assert_eq!(allocations(&disabled, acknowledge), 0);
    let without_settle_spans = traced(|builder| builder.with_settle_spans(false));
    assert_eq!(allocations(&without_settle_spans, acknowledge), 0);
    let without_tracing = traced(|builder| builder.with_tracing(false));
    assert_eq!(allocations(&without_tracing, acknowledge), 0);
    // The progress that the message shares with the copy for its acker.
    let with_settle_spans = traced(|builder| builder);
    assert_eq!(allocations(&with_settle_spans, |_| ()), 1);
}

/// Receives, processes and acknowledges.
#[test]
fn a_delivery_allocates_its_spans() {
    let handle = |delivery: &Delivery| {
        let received = delivery.as_received();
        received.receive(semconv::RECEIVE, received.instrumenter().clock());
        assert_eq!(delivery.process(async {}).now_or_never(), Some(()));
        acknowledge(delivery);
    };
    let found = Rung::ALL.map(|rung| allocations(&rung.instrumentation(), handle));
    assert_eq!(found, [0, 1, 1, 12, 15]);
}
