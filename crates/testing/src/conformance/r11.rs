use std::{pin::pin, time::SystemTime};

use opentelemetry::{Context, context::FutureExt as _, trace::TraceContextExt as _};
use opentelemetry_sdk::trace::SamplingDecision;
use otel_messaging_core::{AsReceived as _, OperationType, ReceiveSpans};

use super::{
    Broker, Fault,
    expect::{consumed_messages, failed, first, operation_duration, process_duration, typed},
    scene::{Scene, foreign, foreign_context, order, poll_once, start_and_drop},
};
use crate::{
    spans::{remote, span},
    telemetry::{SeenBySampler, Telemetry},
};

/// A receive span is made when messages are handed over, and starts at the time of the call. A
/// receive that hands nothing over makes no span.
pub async fn r11_receive_spans_are_made_at_hand_over<B: Broker>() {
    back_dated_to_the_call::<B>().await;
    a_batch_too::<B>().await;
    ambient_at_hand_over::<B>().await;
    created_with_everything::<B>().await;
    no_span_without_a_message::<B>().await;
    failed_receives::<B>().await;
    for which in [ReceiveSpans::All, ReceiveSpans::Batches, ReceiveSpans::None] {
        wanted_receive_spans::<B>(which).await;
    }
    assert_eq!(ReceiveSpans::default(), ReceiveSpans::All);
}

async fn back_dated_to_the_call<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let before = SystemTime::now();
    let mut receive = pin!(scene.broker.receive());
    assert!(poll_once(receive.as_mut()).is_pending(), "there was a message");
    let called = SystemTime::now();
    scene.broker.send_foreign(vec![order()]).await;
    let sent = SystemTime::now();
    scene.telemetry.assert_spans([]);
    let message = receive.await.expect("a message is received");
    let spans = scene.telemetry.assert_spans([scene.received(B::place_of(&message))]);
    let (start, end) = (spans[0].start_time, spans[0].end_time);
    assert!(before <= start && start <= called, "starts with the call: {start:?}");
    assert!(sent <= end && end <= SystemTime::now(), "ends with the hand-over: {end:?}");
}

/// Asserts that the receive span of a batch starts at the time of the call.
async fn a_batch_too<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let before = SystemTime::now();
    let mut receive = pin!(scene.broker.receive_batch(2));
    assert!(poll_once(receive.as_mut()).is_pending(), "there were messages");
    let called = SystemTime::now();
    scene.broker.send_foreign(vec![order(); 2]).await;
    let sent = SystemTime::now();
    scene.within("loop", receive.as_mut()).await.expect("a batch is received");
    let receive = scene.batch(OperationType::Receive, 2).child_of("loop");
    let spans = scene.telemetry.assert_spans([receive, span("loop").label("loop")]);
    let (start, end) = (spans[0].start_time, spans[0].end_time);
    assert!(before <= start && start <= called, "starts with the call: {start:?}");
    assert!(sent <= end && end <= SystemTime::now(), "ends with the hand-over: {end:?}");
}

/// Asserts that the parent is the ambient span at the hand-over, not at the call.
async fn ambient_at_hand_over<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let mut receive = pin!(scene.broker.receive());
    let called = Context::new().with_remote_span_context(foreign_context(1));
    {
        let _called = called.attach();
        assert!(poll_once(receive.as_mut()).is_pending(), "there was a message");
    }
    scene.broker.send_foreign(vec![order()]).await;
    let message = scene.within("loop", receive.as_mut()).await.expect("a message is received");
    scene.telemetry.assert_spans([
        span("loop").label("loop"),
        scene.received(B::place_of(&message)).child_of("loop"),
    ]);
}

/// Asserts that links and attributes are set at creation, so that samplers see them.
async fn created_with_everything<B: Broker>() {
    let sampler = SeenBySampler::new(SamplingDecision::RecordAndSample);
    let telemetry = Telemetry::builder().with_sampler(sampler.clone());
    let scene = Scene::<B>::on(telemetry, |builder| builder).await;
    let message = order().with_headers([("traceparent", foreign(1))]);
    let message = scene.receive_foreign(message).await;
    let seen = sampler.seen();
    let [seen] = &seen[..] else { panic!("expected one span: {seen:?}") };
    let linked: Vec<_> = seen.links.iter().map(|link| link.span_context.clone()).collect();
    assert_eq!(linked, [foreign_context(1)]);
    assert_eq!(seen.parent, None);
    let timed = scene.timed(OperationType::Receive, "orders", B::place_of(&message).partition);
    crate::attributes::assert_attributes(&seen.attributes, timed);
}

async fn no_span_without_a_message<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let polled = start_and_drop(scene.broker.receive()).await;
    assert!(polled.is_pending(), "there was a message");
    let polled = start_and_drop(scene.broker.receive_batch(2)).await;
    assert!(polled.is_pending(), "there was a batch");
    drop(scene.broker.receive());
    scene.broker.receive_nothing().await;
    scene.telemetry.assert_spans([]);
    scene.telemetry.assert_metrics([]);
    // The client may prefetch all three messages. Only one is handed over.
    scene.broker.send_foreign(vec![order(); 3]).await;
    let place = B::place_of(&scene.receive().await);
    scene.telemetry.assert_spans([scene.received(place)]);
}

async fn failed_receives<B: Broker>() {
    let ambient = Context::new().with_remote_span_context(foreign_context(1));
    for spans in [ReceiveSpans::All, ReceiveSpans::None] {
        let scene = Scene::<B>::with(|builder| builder.with_receive_spans(spans)).await;
        let Some(failing) = scene.broker.inject(Fault::Receive) else {
            scene.telemetry.assert_spans([]);
            continue;
        };
        let received = scene.broker.receive().with_context(ambient.clone()).await;
        assert_eq!(received.map(|_| ()), Err(failing.clone()));
        let receive = scene
            .span_of_several(OperationType::Receive)
            .child_of(remote(foreign_context(1)))
            .failing(&failing);
        let wanted = (spans == ReceiveSpans::All).then_some(receive);
        scene.telemetry.assert_spans(wanted);
        let timed = typed(OperationType::Receive, scene.common_of_several(OperationType::Receive));
        scene.telemetry.assert_metrics([operation_duration(vec![(1, failed(timed, &failing))])]);
    }
}

/// Asserts that the choice of receive spans changes neither process spans nor metrics.
async fn wanted_receive_spans<B: Broker>(which: ReceiveSpans) {
    let scene = Scene::<B>::with(|builder| builder.with_receive_spans(which)).await;
    let message = order().with_headers([("traceparent", foreign(1))]);
    let single = scene.receive_foreign(message.clone()).await;
    single.as_received().process(async {}).await;
    scene.broker.send_foreign(vec![message.clone(), message]).await;
    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    let link = || remote(foreign_context(1));
    let links = |span: crate::spans::ExpectedSpan, operation| {
        batch.iter().fold(span, |span, message| {
            span.link_with(link(), scene.position_attribute(operation, B::place_of(message)))
        })
    };
    let place = B::place_of(&single);
    let mut expected = vec![scene.processed(place).linked_to(link())];
    if which == ReceiveSpans::All {
        expected.push(scene.received(place).linked_to(link()));
    }
    if which != ReceiveSpans::None {
        let receive = scene.batch(OperationType::Receive, 2);
        expected.push(links(receive, OperationType::Receive));
    }
    scene.telemetry.assert_spans(expected);
    let counted = scene.counted(OperationType::Receive, "orders", first::<B>());
    let timed = scene.timed(OperationType::Receive, "orders", first::<B>());
    let processed = scene.timed(OperationType::Process, "orders", first::<B>());
    scene.telemetry.assert_metrics([
        operation_duration(vec![(2, timed)]),
        consumed_messages(vec![(3, counted)]),
        process_duration(vec![(1, processed)]),
    ]);
}
