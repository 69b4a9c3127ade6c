//! Publishing to streams, which acknowledge or refuse.

use opentelemetry::trace::SpanKind;
use otel_messaging_async_nats::{
    HeaderMap,
    jetstream::{context::PublishErrorKind, message::PublishMessage},
    semconv::DUPLICATE,
};
use otel_messaging_testing::spans::span;

use crate::support::Nats;

#[tokio::test(flavor = "multi_thread")]
async fn the_span_ends_with_the_acknowledgement() {
    let nats = Nats::new().await;
    nats.stream().await;
    let (context, orders) = (&nats.context, nats.subject("orders"));
    let answer = context.publish(orders.clone(), "7".into()).await.unwrap();
    nats.telemetry.assert_spans([]);
    assert_eq!(answer.await.unwrap().sequence, 1);
    let headers = HeaderMap::new();
    context.publish_with_headers(orders.clone(), headers, "7".into()).await.unwrap().await.unwrap();
    // The stream has this one already when it comes again.
    for _ in 0..2 {
        let publish = PublishMessage::build().message_id("7").payload("7".into());
        context.send_publish(orders.clone(), publish).await.unwrap().await.unwrap();
    }
    let id = || [("messaging.message.id", "7".into())];
    nats.telemetry.assert_spans([
        nats.published(1),
        nats.published(2),
        nats.published(3).attributes(id()),
        nats.published(3).attributes(id()).attributes([(DUPLICATE, true.into())]),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_classes() {
    let nats = Nats::new().await;
    nats.stream().await;
    let nobody = format!("nobody-{}", nats.name);
    let error = nats.context.publish(nobody.clone(), "".into()).await.unwrap().await.unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::StreamNotFound);
    let large = vec![b'x'; nats.client.max_payload() + 1];
    let refused = nats.context.publish(nats.subject("orders"), large.into()).await.unwrap_err();
    let publish = PublishMessage::build().expected_last_sequence(7);
    let wrong = nats.context.send_publish(nats.subject("orders"), publish).await.unwrap().await;
    let wrong = wrong.unwrap_err();
    let mut attributes = nats.attributes("publish", "send");
    attributes.pop();
    nats.telemetry.assert_spans([
        span(format!("publish {nobody}"))
            .kind(SpanKind::Producer)
            .attributes(attributes)
            .attributes([("messaging.destination.name", nobody.clone().into())])
            .error("StreamNotFound", Some(&error.to_string())),
        nats.publish().error("MaxPayloadExceeded", Some(&refused.to_string())),
        nats.publish().error("WrongLastSequence", Some(&wrong.to_string())),
    ]);
}
