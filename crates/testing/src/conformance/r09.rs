use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    trace::{SpanKind, TraceContextExt as _},
};
use otel_messaging_core::{CreationContext, ExistingContext};

use super::{
    Broker, Outgoing,
    scene::{Scene, foreign, foreign_context, order, ordered, traceparent, values},
};
use crate::spans::{remote, span};

/// A creation context that the application passes with a message is injected unchanged, and the
/// CLIENT send span links to it.
pub async fn r09_a_custom_creation_context_is_kept<B: Broker>() {
    given_with_the_message::<B>().await;
    kept_by_choice::<B>().await;
    kept_in_a_batch::<B>(true).await;
    kept_in_a_batch::<B>(false).await;
}

async fn given_with_the_message<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let baggage = [KeyValue::new("tenant", "south")];
    let creation = Context::new().with_remote_span_context(foreign_context(1));
    let creation = CreationContext::from_context(&creation.with_baggage(baggage));
    // It replaces the context that the message carries.
    let message = order().with_headers([("traceparent", foreign(2))]);
    let send = async { scene.broker.send_with_context(message, &creation).await };
    let place = scene.within("request", send).await.expect("the message is sent");
    scene.telemetry.assert_spans([
        span("request").label("request"),
        scene
            .sent(place)
            .kind(SpanKind::Client)
            .child_of("request")
            .linked_to(remote(foreign_context(1))),
    ]);
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(values(&headers, "traceparent"), [foreign(1)]);
    assert_eq!(values(&headers, "baggage"), ["tenant=south"]);

    // An invalid creation context counts as none: the send span's context is injected.
    scene.telemetry.clear();
    let place = scene.broker.send_with_context(order(), &CreationContext::NONE).await;
    let place = place.expect("the message is sent");
    let spans = scene.telemetry.assert_spans([scene.sent(place)]);
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(values(&headers, "traceparent"), [traceparent(&spans[0].span_context)]);
}

async fn kept_by_choice<B: Broker>() {
    let scene =
        Scene::<B>::with(|builder| builder.with_existing_context(ExistingContext::Keep)).await;
    let message = order().with_headers([("traceparent", foreign(1)), ("extra", "a=1".into())]);
    let place = scene.send(message.clone()).await;
    scene.telemetry.assert_spans([scene
        .sent(place)
        .kind(SpanKind::Client)
        .linked_to(remote(foreign_context(1)))]);
    let headers = ordered::<B>(B::headers_of(&scene.receive().await));
    assert_eq!(headers, ordered::<B>(message.headers), "headers are unchanged");

    // The send span's context is injected into a message without one.
    scene.telemetry.clear();
    let place = scene.send(order()).await;
    let sent = scene.telemetry.assert_spans([scene.sent(place)]);
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(values(&headers, "traceparent"), [traceparent(&sent[0].span_context)]);
}

/// Asserts for each message of a batch: one that carries a context keeps it, and a context is
/// injected into each of the others.
async fn kept_in_a_batch<B: Broker>(create_spans: bool) {
    let scene = Scene::<B>::with(|builder| {
        builder.with_existing_context(ExistingContext::Keep).with_create_spans(create_spans)
    })
    .await;
    let kept: Outgoing = order().with_headers([("traceparent", foreign(1))]);
    scene.broker.send_batch(vec![kept, order()]).await;
    let send = scene.sent_batch(2).linked_to(remote(foreign_context(1)));
    let given = if create_spans {
        let spans = scene.telemetry.assert_spans([scene.created().label("2"), send.linked_to("2")]);
        spans[0].span_context.clone()
    } else {
        let spans = scene.telemetry.assert_spans([send.kind(SpanKind::Producer)]);
        spans[0].span_context.clone()
    };
    for expected in [foreign(1), traceparent(&given)] {
        let headers = B::headers_of(&scene.receive().await);
        assert_eq!(values(&headers, "traceparent"), [expected]);
    }
}
