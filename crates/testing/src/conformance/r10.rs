use std::task::Poll;

use otel_messaging_core::{OperationType, SendSpanEnd};

use super::{
    Broker, Failing, Fault, Outgoing, Place,
    expect::{failed, first, operation_duration, partition_attribute, sent_messages},
    scene::{Scene, order, start_and_drop},
};
use crate::{attributes::any, spans::remote};

/// A send span ends with the broker's answer if there is one. A send that is dropped before the
/// client accepts the message ends as cancelled.
pub async fn r10_a_send_ends_with_the_answer<B: Broker>() {
    for end in [SendSpanEnd::Answer, SendSpanEnd::HandOver] {
        answered::<B>(end).await;
        failing::<B>(Fault::Refuse, end).await;
        failing::<B>(Fault::Fail, end).await;
    }
    assert_eq!(SendSpanEnd::default(), SendSpanEnd::Answer);
    dropped_after_hand_over::<B>().await;
    stalled::<B>().await;
    never_polled::<B>().await;
}

async fn answered<B: Broker>(end: SendSpanEnd) {
    let scene = Scene::<B>::with(|builder| builder.with_send_span_end(end)).await;
    let place = scene.send(Outgoing::new("orders")).await;
    assert_eq!(place.position.is_some(), B::position(OperationType::Send).is_some());
    scene.telemetry.assert_spans([match end {
        SendSpanEnd::HandOver => scene.unanswered(None),
        _ => scene.sent(place),
    }]);
}

/// Asserts that a span ends as `end` says, with the metrics of the answer, and that a message that
/// the client refuses does not count as sent, and that one that fails
/// after the hand-over does.
async fn failing<B: Broker>(fault: Fault, end: SendSpanEnd) {
    let scene = Scene::<B>::with(|builder| builder.with_send_span_end(end)).await;
    let failing = scene.broker.inject(fault);
    let result = scene.broker.send(order()).await;
    assert_eq!(result.is_err(), failing.is_some(), "{fault:?}: {result:?}");
    let is_told_before_the_end = end == SendSpanEnd::Answer || fault == Fault::Refuse;
    let span = match (&failing, result) {
        (Some(failing), _) if is_told_before_the_end => {
            scene.unanswered(order().partition).failing(failing)
        }
        (None, Ok(place)) if end == SendSpanEnd::Answer => scene.sent(place),
        _ => scene.unanswered(order().partition),
    };
    scene.telemetry.assert_spans([span]);
    let counted = scene.counted(OperationType::Send, "orders", first::<B>());
    let timed = scene.timed(OperationType::Send, "orders", first::<B>());
    let failing = failing.as_ref();
    let duration = operation_duration(vec![(1, with(timed, failing))]);
    let metrics = match failing {
        Some(_) if fault == Fault::Refuse => vec![duration],
        failing => vec![duration, sent_messages(vec![(1, with(counted, failing))])],
    };
    scene.telemetry.assert_metrics(metrics);
}

fn with(
    attributes: super::expect::Attributes,
    failing: Option<&Failing>,
) -> super::expect::Attributes {
    match failing {
        Some(failing) => failed(attributes, failing),
        None => attributes,
    }
}

/// Asserts that a send that is dropped after the hand-over is recorded as handed over.
async fn dropped_after_hand_over<B: Broker>() {
    let scene = Scene::<B>::new().await;
    scene.broker.send_and_forget(order()).await;
    let message = scene.receive().await;
    let position = B::position(OperationType::Send).filter(|_| B::ANSWERS_AFTER_DROP);
    // The message may be received before the broker's answer ends the send span.
    scene.telemetry.wait_for(2);
    let place = Place { partition: first::<B>(), position: None };
    let send = scene
        .span(OperationType::Send, "orders")
        .attributes(partition_attribute(place))
        .attributes(position.map(|key| (key, any())))
        .label("send");
    let received = B::place_of(&message);
    let receive = scene.received(received).linked_to(remote("send"));
    scene.telemetry.assert_spans([send, receive]);
}

async fn stalled<B: Broker>() {
    let scene = Scene::<B>::new().await;
    if scene.broker.inject(Fault::Stall).is_none() {
        // A client that cannot stall accepts the message at the first poll.
        let polled = start_and_drop(scene.broker.send(order())).await;
        let message = scene.receive().await;
        let received = scene.received(B::place_of(&message)).linked_to(remote("send"));
        scene.telemetry.wait_for(2);
        let send = match polled {
            Poll::Ready(sent) => scene.sent(sent.expect("the message is sent")),
            Poll::Pending => scene.unanswered(order().partition),
        };
        scene.telemetry.assert_spans([send.label("send"), received]);
        return;
    }
    let polled = start_and_drop(scene.broker.send(order())).await;
    assert!(polled.is_pending(), "the client accepted the message");
    let cancelled = Failing { error_type: "cancelled".into(), description: "".into() };
    scene.telemetry.assert_spans([scene.unanswered(order().partition).failing(&cancelled)]);
    let timed = scene.timed(OperationType::Send, "orders", first::<B>());
    scene.telemetry.assert_metrics([operation_duration(vec![(1, failed(timed, &cancelled))])]);
    scene.telemetry.clear();
    // The next send succeeds.
    let place = scene.send(order()).await;
    scene.telemetry.assert_spans([scene.sent(place)]);
}

async fn never_polled<B: Broker>() {
    let scene = Scene::<B>::new().await;
    drop(scene.broker.send(order()));
    scene.telemetry.assert_spans([]);
    scene.telemetry.assert_metrics([]);
}
