use opentelemetry::trace::SpanKind;
use otel_messaging_core::{OperationType, semconv};

use super::{
    Broker, Failing, Fault, Outgoing,
    bare::{self, Bare},
    expect::{failed, operation_duration, sent_messages},
    scene::{Scene, order, traceparent, values},
};
use crate::{
    attributes::any,
    spans::{ExpectedSpan, span},
    telemetry::Telemetry,
};

/// Sending a batch makes a PRODUCER create span for each message, whose context is injected, and
/// one CLIENT send span linked to all of them. Without create spans, it makes one PRODUCER send
/// span, whose context is injected into all messages.
pub async fn r07_a_batch_send_creates_each_message<B: Broker>() {
    each_message_has_a_context_of_its_own::<B>().await;
    all_messages_share_the_send_span::<B>().await;
    a_batch_may_have_several_destinations::<B>().await;
    some_messages_fail::<B>().await;
    messages_that_are_never_handed_over();
}

async fn each_message_has_a_context_of_its_own<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let results = scene.within("request", scene.broker.send_batch(vec![order(); 3])).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let create = || scene.created().child_of("request");
    let spans = scene.telemetry.assert_spans([
        create().label("1"),
        create().label("2"),
        create().label("3"),
        scene.sent_batch(3).child_of("request").linked_to("1").linked_to("2").linked_to("3"),
        span("request").label("request"),
    ]);
    // The send span links to them in the order of the messages.
    for link in &spans[3].links.links {
        let headers = B::headers_of(&scene.receive().await);
        assert_eq!(values(&headers, "traceparent"), [traceparent(&link.span_context)]);
    }
    // A batch of one message has a create span too.
    scene.telemetry.clear();
    scene.broker.send_batch(vec![order()]).await;
    scene.telemetry.assert_spans([scene.created().label("1"), scene.sent_batch(1).linked_to("1")]);
}

async fn all_messages_share_the_send_span<B: Broker>() {
    let scene = Scene::<B>::with(|builder| builder.with_create_spans(false)).await;
    scene.broker.send_batch(vec![order(); 3]).await;
    let send = scene.sent_batch(3).kind(SpanKind::Producer);
    let spans = scene.telemetry.assert_spans([send]);
    for _ in 0..3 {
        let headers = B::headers_of(&scene.receive().await);
        assert_eq!(values(&headers, "traceparent"), [traceparent(&spans[0].span_context)]);
    }
}

async fn a_batch_may_have_several_destinations<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let bill = Outgoing::new("bills").with_partition(0);
    scene.broker.send_batch(vec![order(), bill]).await;
    let partition = order().partition.filter(|_| B::PARTITIONS);
    let place = super::Place { partition, position: None };
    let create = |name| scene.span_at(OperationType::Create, name, place);
    scene.telemetry.assert_spans([
        create("orders").label("order"),
        create("bills").label("bill"),
        scene.span_unnamed_batch(OperationType::Send, 2).linked_to("order").linked_to("bill"),
    ]);
}

/// Asserts that the send span of a batch records how many messages failed.
async fn some_messages_fail<B: Broker>() {
    for fault in [Fault::Refuse, Fault::Fail] {
        let scene = Scene::<B>::new().await;
        let failing = scene.broker.inject(fault);
        let results = scene.broker.send_batch(vec![order(); 2]).await;
        let failed = results.iter().filter(|result| result.is_err()).count();
        let send = scene.sent_batch(2).linked_to("1").linked_to("2");
        let send = match &failing {
            Some(failing) => failed_messages(send, failed, failing.error_type.to_string()),
            None => send,
        };
        assert_eq!(failed > 0, failing.is_some(), "{fault:?}: {results:?}");
        scene.telemetry.assert_spans([
            scene.created().label("1"),
            scene.created().label("2"),
            send,
        ]);
    }
}

fn failed_messages(send: ExpectedSpan, failed: usize, error_type: String) -> ExpectedSpan {
    let send = (0..failed).fold(send, |send, _| {
        send.event(
            "exception",
            [("exception.type", error_type.clone().into()), ("exception.message", any())],
        )
    });
    send.error(error_type, Some(&format!("{failed} messages failed")))
}

/// Asserts, without a broker, that a message whose operation is dropped before the hand-over does
/// not count as sent.
fn messages_that_are_never_handed_over() {
    let telemetry = Telemetry::new();
    let mut messages = [Bare; 3];
    let mut operations = bare::instrumenter(&telemetry)
        .send_batch(bare::operation(OperationType::Send), &mut messages);
    let mut first = operations.next().expect("there are three operations");
    first.handed_over();
    drop(first);
    drop(operations.next().expect("there are three operations"));
    assert_eq!(telemetry.spans().len(), 3, "the send span has not ended");
    drop(operations);
    let attributes = |kind: OperationType| {
        vec![
            (semconv::SYSTEM, "bare".into()),
            (semconv::OPERATION_NAME, kind.as_str().into()),
            (semconv::DESTINATION_NAME, "orders".into()),
        ]
    };
    let typed = |kind: OperationType| {
        let mut attributes = attributes(kind);
        attributes.push((semconv::OPERATION_TYPE, kind.as_str().into()));
        attributes
    };
    let create = |label: &'static str| {
        let create = span("create orders").kind(SpanKind::Producer).label(label);
        create.attributes(typed(OperationType::Create))
    };
    let send = span("send orders").kind(SpanKind::Client).attributes(typed(OperationType::Send));
    let send = send.attributes([(semconv::BATCH_MESSAGE_COUNT, 3.into())]);
    let send = send.linked_to("1").linked_to("2").linked_to("3");
    let send = failed_messages(send, 2, "cancelled".to_owned());
    telemetry.assert_spans([create("1"), create("2"), create("3"), send]);
    let cancelled = Failing { error_type: "cancelled".into(), description: "".into() };
    telemetry.assert_metrics([
        sent_messages(vec![(1, attributes(OperationType::Send))]),
        operation_duration(vec![(1, failed(typed(OperationType::Send), &cancelled))]),
    ]);
}
