use opentelemetry::{
    Context,
    context::FutureExt as _,
    trace::{SpanKind, TraceContextExt as _},
};
use otel_messaging_core::{AsReceived as _, ExistingContext};

use super::{
    Broker, Outgoing,
    propagator::w3c,
    scene::{Scene, current_span, foreign, foreign_context, order, saw, traceparent, values},
};
use crate::spans::{remote, span};

/// Sending a message that already carries a context replaces it by the send span's. The send span
/// links to the old context, unless that is the ambient span's own.
pub async fn r08_a_forwarded_context_is_replaced_and_linked<B: Broker>() {
    for propagation in w3c() {
        let scene = Scene::<B>::with(|builder| builder.with_propagator(propagation)).await;
        replaced_and_linked(&scene).await;
    }
    assert_eq!(ExistingContext::default(), ExistingContext::Replace);
    let scene = Scene::<B>::new().await;
    forwarded_while_processing(&scene).await;
    dead_lettered_afterwards(&scene).await;
    injected_by_hand(&scene).await;
    of_the_same_trace(&scene).await;
    in_a_batch(&scene).await;
    let scene = Scene::<B>::with(|builder| builder.with_create_spans(false)).await;
    in_a_batch_without_create_spans(&scene).await;
}

fn carrying(id: usize) -> Outgoing {
    order().with_headers([("traceparent", foreign(id))])
}

async fn replaced_and_linked<B: Broker>(scene: &Scene<B>) {
    let place = scene.within("request", scene.send(carrying(1))).await;
    let spans = scene.telemetry.assert_spans([
        scene.sent(place).child_of("request").linked_to(remote(foreign_context(1))),
        span("request").label("request"),
    ]);
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(values(&headers, "traceparent"), [traceparent(&spans[0].span_context)]);
}

async fn forwarded_while_processing<B: Broker>(scene: &Scene<B>) {
    let message = scene.receive_foreign(carrying(2)).await;
    let forward = order().with_all_headers(B::headers_of(&message));
    let result = message.as_received().process(scene.broker.send(forward)).await;
    let (from, to) = (B::place_of(&message), result.expect("the forward is sent"));
    let linked = remote(foreign_context(2));
    let spans = scene.telemetry.assert_spans([
        scene.received(from).linked_to(linked.clone()),
        scene.processed(from).label("process").linked_to(linked.clone()),
        scene.sent(to).child_of("process").linked_to(linked),
    ]);
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(values(&headers, "traceparent"), [traceparent(&spans[2].span_context)]);
    scene.telemetry.clear();
}

/// Asserts the same for a message that is sent after it was processed, as a dead letter is.
async fn dead_lettered_afterwards<B: Broker>(scene: &Scene<B>) {
    let message = scene.receive_foreign(carrying(3)).await;
    let result = message.as_received().process(async { Err::<(), _>(std::fmt::Error) }).await;
    result.expect_err("the handler failed");
    let dead = order().with_all_headers(B::headers_of(&message));
    let (from, to) = (B::place_of(&message), scene.send(dead).await);
    let linked = remote(foreign_context(3));
    scene.telemetry.assert_spans([
        scene.received(from).linked_to(linked.clone()),
        scene.processed(from).linked_to(linked.clone()).error("core::fmt::Error", None),
        scene.sent(to).root().linked_to(linked),
    ]);
    scene.receive().await;
    scene.telemetry.clear();
}

/// Asserts that a context that the application injected from the ambient span is not linked.
async fn injected_by_hand<B: Broker>(scene: &Scene<B>) {
    let place = scene
        .within("request", async {
            let Ok(ambient) = saw(current_span).await;
            scene.send(order().with_headers([("traceparent", traceparent(&ambient))])).await
        })
        .await;
    let spans = scene
        .telemetry
        .assert_spans([scene.sent(place).child_of("request"), span("request").label("request")]);
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(values(&headers, "traceparent"), [traceparent(&spans[0].span_context)]);
    scene.telemetry.clear();
}

/// Asserts that the context of another span of the same trace is linked.
async fn of_the_same_trace<B: Broker>(scene: &Scene<B>) {
    let ambient = Context::new().with_remote_span_context(foreign_context(9));
    let (place, earlier) = async {
        scene.send(order()).await;
        let headers = B::headers_of(&scene.receive().await);
        let earlier = scene.the_send().span_context.clone();
        scene.telemetry.clear();
        (scene.send(order().with_all_headers(headers)).await, earlier)
    }
    .with_context(ambient)
    .await;
    assert_eq!(earlier.trace_id(), foreign_context(9).trace_id());
    let send = scene.sent(place).child_of(remote(foreign_context(9)));
    scene.telemetry.assert_spans([send.linked_to(remote(earlier))]);
    scene.receive().await;
    scene.telemetry.clear();
}

async fn in_a_batch<B: Broker>(scene: &Scene<B>) {
    let ambient = Context::new().with_remote_span_context(foreign_context(9));
    let messages = vec![order(), carrying(1), carrying(9)];
    scene.broker.send_batch(messages).with_context(ambient).await;
    let parent = || remote(foreign_context(9));
    let spans = scene.telemetry.assert_spans([
        scene.created().child_of(parent()).label("new"),
        scene.created().child_of(parent()).label("old").linked_to(remote(foreign_context(1))),
        scene.created().child_of(parent()).label("own"),
        scene
            .sent_batch(3)
            .child_of(parent())
            .linked_to("new")
            .linked_to("old")
            .linked_to("own")
            .links_in_order(),
    ]);
    for link in &spans[3].links.links {
        let headers = B::headers_of(&scene.receive().await);
        assert_eq!(values(&headers, "traceparent"), [traceparent(&link.span_context)]);
    }
}

async fn in_a_batch_without_create_spans<B: Broker>(scene: &Scene<B>) {
    scene.broker.send_batch(vec![order(), carrying(1)]).await;
    let send = scene.sent_batch(2).kind(SpanKind::Producer);
    let spans = scene.telemetry.assert_spans([send.linked_to(remote(foreign_context(1)))]);
    for _ in 0..2 {
        let headers = B::headers_of(&scene.receive().await);
        assert_eq!(values(&headers, "traceparent"), [traceparent(&spans[0].span_context)]);
    }
}
