use std::sync::Arc;

use futures::FutureExt as _;
use lapin::options::BasicAckOptions;
use otel_messaging_benches::allocations::{CountingAllocator, count, is_counting};
use otel_messaging_core::InstrumentationBuilder;
use otel_messaging_testing::telemetry::Telemetry;

use super::*;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Counts the allocations for one delivery, from its hand-over to its drop, beside those of the
/// client. `settle` is what is done with it meanwhile.
#[track_caller]
fn allocations(instrumentation: &Instrumentation, settle: fn(&Delivery)) -> u64 {
    assert!(is_counting());
    let mut origin = Origin::new(server::instrumenter(None, instrumentation), "q".into());
    origin.unsettled = Some(Arc::default());
    let mut bare: Vec<_> = (1..=20)
        .map(|tag| bare::Delivery::mock(tag, "shop".into(), "new".into(), false, Vec::new()))
        .collect();
    let mut deliver = |delivery| settle(&Delivery::extract(&origin, delivery));
    let last = bare.pop().unwrap();
    // The first deliveries build what is built once.
    bare.into_iter().for_each(&mut deliver);
    count(|| deliver(last))
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
