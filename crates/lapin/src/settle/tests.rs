use std::{
    future::{pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use lapin::{Error, ErrorKind, message as bare, types::ShortString};
use opentelemetry::trace::SpanKind;
use otel_messaging_core::{Instrumentation, InstrumentationBuilder};
use otel_messaging_testing::{
    metrics::histogram,
    spans::{ExpectedSpan, span},
    telemetry::Telemetry,
};

use super::*;
use crate::{message::Delivery, origin::Origin};

const BOUNDARIES: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

fn origin(
    telemetry: &Telemetry,
    choose: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
) -> Origin {
    let builder = Instrumentation::builder()
        .with_tracer_provider(telemetry.tracer_provider())
        .with_meter_provider(telemetry.meter_provider());
    let instrumenter = Instrumenter::builder(semconv::SYSTEM).build(&choose(builder).build());
    let mut origin = Origin::new(instrumenter, ShortString::from("q"));
    origin.unsettled = Some(Arc::default());
    origin
}

fn deliver(origin: &Origin, tag: DeliveryTag) -> Delivery {
    Delivery::extract(origin, bare::Delivery::mock(tag, "".into(), "q".into(), false, Vec::new()))
}

/// Settles a delivery by its acker. `call` is what the client does.
fn settle(
    origin: &Origin,
    tag: DeliveryTag,
    call: impl Future<Output = Result<bool>>,
) -> Poll<Result<bool>> {
    let acker = deliver(origin, tag).acker;
    poll_once(acker.settle_message(None::<&Received<Settled>>, semconv::ACK, false, call))
}

/// Settles a delivery by its tag. `call` is what the client does.
fn settle_tag(
    origin: &Origin,
    tag: DeliveryTag,
    multiple: bool,
    call: impl Future<Output = Result<()>>,
) -> Poll<Result<()>> {
    let unsettled = origin.unsettled.as_ref().unwrap();
    let instrumenter = &origin.instrumenter;
    poll_once(settle_by_tag(instrumenter, unsettled, semconv::ACK, tag, multiple, call))
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn settled(tag: i64) -> ExpectedSpan {
    span("ack q").kind(SpanKind::Client).attributes([
        (core::SYSTEM, "rabbitmq".into()),
        (core::OPERATION_NAME, "ack".into()),
        (core::OPERATION_TYPE, "settle".into()),
        (core::DESTINATION_NAME, "q".into()),
        (semconv::DELIVERY_TAG, tag.into()),
    ])
}

#[test]
fn a_settlement_that_is_dropped_was_taken_by_the_client() {
    let telemetry = Telemetry::new();
    let origin = origin(&telemetry, |builder| builder);
    assert_eq!(settle(&origin, 1, pending()), Poll::Pending);
    telemetry.assert_spans([settled(1)]);
    telemetry.clear();

    // The client refuses it.
    let error = || Error::from(ErrorKind::ChannelsLimitReached);
    assert_eq!(settle(&origin, 2, ready(Err(error()))), Poll::Ready(Err(error())));
    let description = error().to_string();
    telemetry.assert_spans([settled(2).error("ChannelsLimitReached", Some(&description))]);
    telemetry.clear();

    // The same by tag.
    let unpolled = deliver(&origin, 3);
    assert_eq!(settle_tag(&origin, 3, false, pending()), Poll::Pending);
    telemetry.assert_spans([settled(3)]);
    telemetry.clear();
    deliver(&origin, 4);
    assert_eq!(settle_tag(&origin, 4, false, ready(Err(error()))), Poll::Ready(Err(error())));
    telemetry.assert_spans([settled(4).error("ChannelsLimitReached", Some(&description))]);
    telemetry.clear();

    // A settlement that is never polled does not reach the client.
    drop(unpolled.ack(BasicAckOptions::default()));
    drop(unpolled.acker.ack(BasicAckOptions::default()));
    telemetry.assert_spans([]);
}

/// The future itself may be dropped later.
#[test]
fn a_settlement_ends_while_its_thread_unwinds() {
    let telemetry = Telemetry::new();
    let origin = origin(&telemetry, |builder| builder);
    let acker = deliver(&origin, 1).acker;
    let call = poll_fn(|_| panic!("the client panics"));
    let settling = acker.settle_message(None::<&Received<Settled>>, semconv::ACK, false, call);
    let mut settling = pin!(settling);
    let mut context = Context::from_waker(Waker::noop());
    let poll = AssertUnwindSafe(|| settling.as_mut().poll(&mut context));
    assert!(catch_unwind(poll).is_err());
    telemetry.assert_spans([settled(1).error("panic", None)]);
}

#[test]
fn a_tag_finds_its_message_and_what_processed_it_first() {
    let telemetry = Telemetry::new();
    let origin = origin(&telemetry, |builder| builder);
    let delivery = deliver(&origin, 7);
    delivery.process_sync(|| ());
    let first = telemetry.spans()[0].span_context.clone();
    delivery.process_sync(|| ());
    telemetry.clear();
    drop(delivery);
    assert_eq!(settle_tag(&origin, 7, false, ready(Ok(()))), Poll::Ready(Ok(())));
    telemetry.assert_spans([settled(7).child_of(first)]);
    telemetry.clear();
    assert_eq!(settle_tag(&origin, 7, false, ready(Ok(()))), Poll::Ready(Ok(())));
    let unknown = span("ack").kind(SpanKind::Client).attributes([
        (core::SYSTEM, "rabbitmq".into()),
        (core::OPERATION_NAME, "ack".into()),
        (core::OPERATION_TYPE, "settle".into()),
        (semconv::DELIVERY_TAG, 7.into()),
    ]);
    telemetry.assert_spans([unknown]);
}

/// The delivery settles itself, although its channel has forgotten it.
#[test]
fn a_delivery_that_is_forgotten_is_settled_as_itself() {
    let telemetry = Telemetry::new();
    let origin = origin(&telemetry, |builder| builder);
    let mut delivery = bare::Delivery::mock(7, "".into(), "q".into(), false, Vec::new());
    delivery.properties = delivery.properties.with_message_id("order 7".into());
    let delivery = Delivery::extract(&origin, delivery);
    drop(origin.unsettled.as_ref().unwrap().settle(7, false));
    assert_eq!(poll_once(delivery.ack(BasicAckOptions::default())), Poll::Ready(Ok(true)));
    telemetry.assert_spans([settled(7).attributes([(core::MESSAGE_ID, "order 7".into())])]);
}

#[test]
fn deliveries_that_need_no_settlement_are_not_counted() {
    let telemetry = Telemetry::new();
    let mut origin = origin(&telemetry, |builder| builder);
    origin.no_ack = true;
    deliver(&origin, 1);
    deliver(&origin, 2);
    origin.no_ack = false;
    deliver(&origin, 3);
    assert_eq!(settle_tag(&origin, 3, true, ready(Ok(()))), Poll::Ready(Ok(())));
    telemetry.assert_spans([settled(3).attributes([(core::BATCH_MESSAGE_COUNT, 1.into())])]);
}

/// Each delivery is counted by one settlement only.
#[test]
fn several_are_counted_without_those_that_are_settled_before() {
    let telemetry = Telemetry::new();
    let origin = origin(&telemetry, |builder| builder);
    let deliveries: Vec<_> = (1..=5).map(|tag| deliver(&origin, tag)).collect();
    let ack = |multiple| BasicAckOptions { multiple };
    assert_eq!(poll_once(deliveries[1].ack(ack(false))), Poll::Ready(Ok(true)));
    assert_eq!(poll_once(deliveries[2].acker.ack(ack(false))), Poll::Ready(Ok(true)));
    telemetry.clear();
    assert_eq!(poll_once(deliveries[3].ack(ack(true))), Poll::Ready(Ok(true)));
    assert_eq!(poll_once(deliveries[4].acker.ack(ack(true))), Poll::Ready(Ok(true)));
    let counted =
        |tag, count: i64| settled(tag).attributes([(core::BATCH_MESSAGE_COUNT, count.into())]);
    telemetry.assert_spans([counted(4, 2), counted(5, 1)]);
}

#[test]
fn nothing_is_kept_where_settling_makes_no_spans() {
    let choices: [fn(InstrumentationBuilder) -> InstrumentationBuilder; 2] =
        [|builder| builder.with_settle_spans(false), |builder| builder.with_tracing(false)];
    for choose in choices {
        let telemetry = Telemetry::new();
        let origin = origin(&telemetry, choose);
        let delivery = deliver(&origin, 7);
        let unsettled = origin.unsettled.as_ref().unwrap();
        assert!(unsettled.settle(7, false).0.is_none());
        assert_eq!(Arc::strong_count(unsettled), 1);
        // The metric names the destination.
        let acked = poll_once(delivery.acker.ack(BasicAckOptions::default()));
        assert_eq!(acked, Poll::Ready(Ok(true)));
        telemetry.assert_spans([]);
        let duration = histogram(core::CLIENT_OPERATION_DURATION).unit("s").boundaries(&BOUNDARIES);
        let attributes = [
            (core::SYSTEM, "rabbitmq".into()),
            (core::OPERATION_NAME, "ack".into()),
            (core::OPERATION_TYPE, "settle".into()),
            (core::DESTINATION_NAME, "q".into()),
        ];
        telemetry.assert_metrics([duration.point(1, attributes)]);
    }
}
