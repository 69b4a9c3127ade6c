use opentelemetry::{Context, context::FutureExt as _, trace::TraceContextExt as _};
use opentelemetry_sdk::trace::Sampler;
use otel_messaging_core::{AsReceived as _, InstrumentationBuilder};

use super::{
    Broker,
    scene::{
        Scene, current_baggage, current_span, foreign, foreign_context, order, saw, traceparent,
        values, with_baggage,
    },
};
use crate::{
    spans::{remote, span},
    telemetry::Telemetry,
};

/// Contexts are propagated even if spans are off, filtered or not sampled. Suppressed telemetry
/// makes no spans, metrics or headers.
pub async fn r05_context_keeps_flowing<B: Broker>() {
    without_spans::<B>(|builder| builder.with_tracing(false)).await;
    without_spans::<B>(|builder| builder.with_filter(|_| false)).await;
    without_spans::<B>(|builder| builder.with_tracing(false).with_create_spans(false)).await;
    not_sampled::<B>().await;
    suppressed::<B>().await;
}

/// Asserts that without spans the ambient context is injected, and that handlers run in the
/// message's context.
async fn without_spans<B: Broker>(off: fn(InstrumentationBuilder) -> InstrumentationBuilder) {
    let scene = Scene::<B>::with(off).await;
    let ambient = with_baggage(&Context::new(), "tenant", "north");
    let request = scene
        .within_context(&ambient, "request", async {
            scene.send(order()).await;
            for result in scene.broker.send_batch(vec![order()]).await {
                result.expect("the batch is sent");
            }
            current_span()
        })
        .await;
    for _ in 0..2 {
        let message = scene.receive().await;
        let headers = B::headers_of(&message);
        assert_eq!(values(&headers, "traceparent"), [traceparent(&request)]);
        assert_eq!(values(&headers, "baggage"), ["tenant=north"]);
        // Without an ambient span, the handler runs in the producer's context.
        let handler = saw(|| (current_span(), current_baggage("tenant")));
        let Ok((inside, baggage)) = message.as_received().process(handler).await;
        assert_eq!(inside.span_id(), request.span_id());
        assert!(inside.is_remote());
        assert_eq!(baggage.as_deref(), Some("north"));
        let forward =
            message.as_received().process(async { scene.broker.send(order()).await.map(drop) });
        forward.await.expect("the forward is sent");
        let forwarded = B::headers_of(&scene.receive().await);
        assert_eq!(values(&forwarded, "traceparent"), [traceparent(&request)]);
    }
    // Without a context to inject, the message keeps its own.
    scene.send(order().with_headers([("traceparent", foreign(1))])).await;
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(values(&headers, "traceparent"), [foreign(1)]);
    scene.telemetry.assert_spans([span("request")]);
}

/// Asserts that a span that is not sampled injects its context, with the sampled flag unset.
async fn not_sampled<B: Broker>() {
    let telemetry = Telemetry::builder().with_sampler(Sampler::AlwaysOff);
    let scene = Scene::<B>::on(telemetry, |builder| builder).await;
    let producer = Context::new().with_remote_span_context(foreign_context(1));
    scene.send(order()).with_context(producer).await;
    let message = scene.receive().await;
    let [sent] = &values(&B::headers_of(&message), "traceparent")[..] else {
        panic!("expected one traceparent")
    };
    assert_eq!(sent[..36], foreign(1)[..36], "the trace id is kept");
    assert_ne!(sent[36..52], foreign(1)[36..52], "the span id is new");
    assert_eq!(&sent[52..], "-00", "the sampled flag is unset");
    let creation = message.as_received().creation_context().span_context().clone();
    assert_eq!(traceparent(&creation), *sent);
    let Ok(inside) = message.as_received().process(saw(current_span)).await;
    assert!(inside.is_valid() && !inside.is_sampled(), "{inside:?}");
    scene.telemetry.assert_spans([]);
}

/// Asserts that suppressed telemetry makes no spans, metrics or headers. Otherwise an exporter
/// that writes to the broker would trace its own messages.
async fn suppressed<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let producer = Context::new().with_remote_span_context(foreign_context(1));
    let suppressed = with_baggage(&producer, "tenant", "north").with_telemetry_suppressed();
    async {
        scene.whole_life(order()).await;
        for result in scene.broker.send_batch(vec![order(), order()]).await {
            result.expect("the batch is sent");
        }
        let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
        batch.process(async {}).await;
        assert_eq!(B::headers_of(&batch[0]), []);
        scene.broker.send(order()).await.expect("the message is sent");
        let message = scene.receive().await;
        assert_eq!(B::headers_of(&message), []);
        message.as_received().start_process().end();
    }
    .with_context(suppressed)
    .await;
    scene.telemetry.assert_spans([]);
    scene.telemetry.assert_metrics([]);

    // Suppression ends with its context.
    let place = scene.send(order()).await;
    let received = B::place_of(&scene.receive().await);
    let send = scene.sent(place).label("send");
    scene.telemetry.assert_spans([send, scene.received(received).linked_to(remote("send"))]);
}
