use otel_messaging_core::{AsReceived as _, OperationType};

use super::{
    Broker, Fault,
    bare::{self, Bare},
    expect::{consumed_messages, failed, first, operation_duration, process_duration},
    scene::{Scene, foreign, foreign_context, order},
};
use crate::{
    spans::{remote, span},
    telemetry::Telemetry,
};

/// Settling makes a CLIENT span linked to the creation context. Its parent is the ambient span, or
/// the message's process span if there is no ambient one. Settle spans can be switched off.
pub async fn r17_settling_is_linked<B: Broker>() {
    with_ambient::<B>().await;
    within_the_handler::<B>().await;
    after_processing::<B>().await;
    after_processing_twice::<B>().await;
    after_a_batch::<B>().await;
    without_processing::<B>().await;
    failing::<B>().await;
    switched_off::<B>().await;
    a_copy_is_the_same_message();
}

async fn received<B: Broker>(scene: &Scene<B>) -> B::Message<'_> {
    let message = order().with_headers([("traceparent", foreign(1))]);
    let message = scene.receive_foreign(message).await;
    scene.telemetry.clear();
    message
}

async fn settle<'a, B: Broker>(scene: &'a Scene<B>, message: &B::Message<'a>) {
    scene.broker.settle(message).await.expect("the message is settled");
}

/// Expects a settle span linked to the creation context, if the system has settlement.
fn settled<B: Broker>(
    scene: &Scene<B>,
    message: &B::Message<'_>,
) -> Option<crate::spans::ExpectedSpan> {
    let settled = scene.settled(B::place_of(message))?;
    Some(settled.linked_to(remote(foreign_context(1))))
}

async fn with_ambient<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let message = received(&scene).await;
    message.as_received().process(async {}).await;
    scene.telemetry.clear();
    // The ambient span takes precedence over the process span.
    scene.within("loop", settle(&scene, &message)).await;
    let settled = settled(&scene, &message).map(|settled| settled.child_of("loop"));
    scene.telemetry.assert_spans([span("loop").label("loop")].into_iter().chain(settled));
}

async fn within_the_handler<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let message = received(&scene).await;
    message.as_received().process(settle(&scene, &message)).await;
    let process = scene.processed(B::place_of(&message)).label("process");
    let settled = settled(&scene, &message).map(|settled| settled.child_of("process"));
    let process = process.linked_to(remote(foreign_context(1)));
    scene.telemetry.assert_spans([process].into_iter().chain(settled));
}

async fn after_processing<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let message = received(&scene).await;
    message.as_received().process(async {}).await;
    settle(&scene, &message).await;
    let process = scene.processed(B::place_of(&message)).label("process");
    // The process span has ended, and is still the parent.
    let settled = settled(&scene, &message).map(|settled| settled.child_of("process"));
    let process = process.linked_to(remote(foreign_context(1)));
    scene.telemetry.assert_spans([process].into_iter().chain(settled));
}

/// Asserts that the first process span of a message is the parent, not one of a repetition.
async fn after_processing_twice<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let message = received(&scene).await;
    message.as_received().process(async {}).await;
    let first = scene.telemetry.spans()[0].span_context.clone();
    message.as_received().process(async {}).await;
    scene.telemetry.clear();
    settle(&scene, &message).await;
    let settled = settled(&scene, &message).map(|settled| settled.child_of(first.clone()));
    scene.telemetry.assert_spans(settled);
}

async fn after_a_batch<B: Broker>() {
    let scene = Scene::<B>::new().await;
    scene.broker.send_foreign(vec![order(); 2]).await;
    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    scene.telemetry.clear();
    batch.process(async {}).await;
    let last = &batch[1];
    settle(&scene, last).await;
    let settled = scene.settled(B::place_of(last));
    let settled = settled.map(|settled| settled.child_of("process"));
    let process = scene.batch(OperationType::Process, 2).label("process");
    scene.telemetry.assert_spans([process].into_iter().chain(settled));
}

async fn without_processing<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let message = received(&scene).await;
    settle(&scene, &message).await;
    scene.telemetry.assert_spans(settled(&scene, &message).map(crate::spans::ExpectedSpan::root));
}

async fn failing<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let message = received(&scene).await;
    let failing = scene.broker.inject(Fault::Settle);
    let result = scene.broker.settle(&message).await;
    assert_eq!(result.err(), failing);
    let settled = settled(&scene, &message);
    scene.telemetry.assert_spans(settled.map(|settled| match &failing {
        Some(failing) => settled.failing(failing),
        None => settled,
    }));
    let receive = scene.timed(OperationType::Receive, "orders", first::<B>());
    let mut points = vec![(1, receive)];
    points.extend(B::SETTLE.map(|_| {
        let timed = scene.timed(OperationType::Settle, "orders", first::<B>());
        (
            1,
            match &failing {
                Some(failing) => failed(timed, failing),
                None => timed,
            },
        )
    }));
    let consumed = scene.counted(OperationType::Receive, "orders", first::<B>());
    scene
        .telemetry
        .assert_metrics([operation_duration(points), consumed_messages(vec![(1, consumed)])]);
}

/// Asserts, without a broker, that the process span of a message is the parent when a copy of the
/// message is settled.
fn a_copy_is_the_same_message() {
    let telemetry = Telemetry::new();
    let held = bare::instrumenter(&telemetry).extract(Bare);
    let copy = held.map_ref(|message| *message);
    held.process_sync(|| ());
    copy.settle(bare::operation(OperationType::Settle)).end();
    let spans = telemetry.spans();
    let [process, settle] = &spans[..] else { panic!("expected two spans: {spans:?}") };
    assert_eq!(settle.parent_span_id, process.span_context.span_id());
}

/// Asserts that settling is measured without a settle span.
async fn switched_off<B: Broker>() {
    let scene = Scene::<B>::with(|builder| builder.with_settle_spans(false)).await;
    let message = received(&scene).await;
    message.as_received().process(settle(&scene, &message)).await;
    let process = scene.processed(B::place_of(&message));
    scene.telemetry.assert_spans([process.linked_to(remote(foreign_context(1)))]);
    let timed = |operation| scene.timed(operation, "orders", first::<B>());
    let mut points = vec![(1, timed(OperationType::Receive))];
    points.extend(B::SETTLE.map(|_| (1, timed(OperationType::Settle))));
    let consumed = scene.counted(OperationType::Receive, "orders", first::<B>());
    scene.telemetry.assert_metrics([
        operation_duration(points),
        process_duration(vec![(1, timed(OperationType::Process))]),
        consumed_messages(vec![(1, consumed)]),
    ]);
}
