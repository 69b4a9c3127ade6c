//! Publishing to streams: the span ends with the acknowledgement, if somebody waits for it.

use std::time::{Duration, Instant};

use opentelemetry::trace::{SpanKind, Status, TraceContextExt};
use opentelemetry::{Context as OtelContext, context::FutureExt as _};
use otel_messaging_async_nats::{
    HeaderMap, Request, bare,
    client::traits::{Publisher, Requester},
    jetstream::{Context, ContextBuilder, context::PublishErrorKind, message::PublishMessage},
    message::OutboundMessage,
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
        nats.published(3).attributes(id()).attributes([("messaging.nats.duplicate", true.into())]),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_answer_nobody_waits_for_was_handed_over() {
    let nats = Nats::new().await;
    let mut stream = nats.stream().await;
    let orders = nats.subject("orders");
    drop(nats.context.publish(orders.clone(), "7".into()).await.unwrap());
    nats.telemetry.assert_spans([nats.publish()]);
    // Dropped when it was about to wait, too; the client's own acker has it.
    drop(IntoFuture::into_future(nats.context.publish(orders, "8".into()).await.unwrap()));
    nats.telemetry.assert_spans([nats.publish(), nats.publish()]);
    nats.context.wait_for_acks().await;
    assert_eq!(stream.info().await.unwrap().state.messages, 2);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_needs_no_more_room_than_there_is() {
    let nats = Nats::new().await;
    nats.stream().await;
    let narrow = ContextBuilder::new().max_ack_inflight(3).build(nats.client.get_ref().clone());
    let narrow = Context::new(narrow, &nats.client);
    let message = |index: usize| {
        PublishMessage::build()
            .payload(index.to_string().into())
            .outbound_message(nats.subject("orders"))
    };
    let results = narrow.publish_batch((0..100).map(message)).await;
    let sequences: Vec<u64> = results.into_iter().map(|result| result.unwrap().sequence).collect();
    assert_eq!(sequences, (1..=100).collect::<Vec<_>>(), "in their order");
    let create = |index: i64| {
        let mut attributes = nats.attributes("create", "create");
        attributes.retain(|(key, _)| *key != "messaging.client.id");
        let name = format!("create {}", nats.subject("orders"));
        span(name).kind(SpanKind::Producer).attributes(attributes).label(index.to_string())
    };
    let send = nats.span("publish", "send", SpanKind::Client);
    let send = send.attributes([("messaging.batch.message_count", 100.into())]);
    let send = (0..100).fold(send, |send, index: i64| send.linked_to(index.to_string()));
    nats.telemetry.assert_spans((0..100).map(create).chain([send.links_in_order()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_waited_for_together() {
    let nats = Nats::new().await;
    // Somebody listens, and no stream does.
    let _silent = nats.client.get_ref().subscribe(nats.subject("orders")).await.unwrap();
    let mut context = nats.context.clone();
    context.set_timeout(Duration::from_millis(200));
    let message = |_| PublishMessage::build().outbound_message(nats.subject("orders"));
    let before = Instant::now();
    let results = context.publish_batch((0..100).map(message)).await;
    assert!(before.elapsed() < Duration::from_secs(10), "one after the other it takes twenty");
    let kinds: Vec<_> = results.into_iter().map(|result| result.unwrap_err().kind()).collect();
    assert_eq!(kinds, [PublishErrorKind::TimedOut; 100]);
    let spans = nats.telemetry.spans();
    let send = spans.iter().find(|span| span.span_kind == SpanKind::Client).unwrap();
    let description = "100 messages failed".into();
    assert_eq!(send.status, Status::Error { description });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_publishes_and_asks_as_its_client_does() {
    let nats = Nats::new().await;
    let orders = nats.subject("orders");
    let mut requests = nats.client.get_ref().subscribe(orders.clone()).await.unwrap();
    let message = OutboundMessage {
        subject: orders.clone().into(),
        reply: None,
        payload: "7".into(),
        headers: None,
    };
    nats.context.publish_message(message).await.unwrap();
    nats.context.publish_with_reply(orders.clone(), "nowhere", "7".into()).await.unwrap();
    let ambient = nats.telemetry.tracer();
    let ambient = opentelemetry::trace::Tracer::start(&ambient, "shop");
    let ambient = OtelContext::new().with_span(ambient);
    let asking = Requester::send_request(&nats.context, orders, Request::new());
    let asking = asking.with_context(ambient.clone());
    let answering = async {
        for _ in 0..2 {
            futures::StreamExt::next(&mut requests).await.unwrap();
        }
        let request: bare::Message = futures::StreamExt::next(&mut requests).await.unwrap();
        nats.client.get_ref().publish(request.reply.unwrap(), "8".into()).await.unwrap();
    };
    let (answer, ()) = tokio::join!(asking, answering);
    assert_eq!(answer.unwrap().payload, "8");
    ambient.span().end();
    let mut attributes = nats.attributes("receive", "receive");
    attributes.pop();
    nats.telemetry.assert_spans([
        nats.publish(),
        nats.publish(),
        span("shop").label("shop"),
        nats.span("request", "send", SpanKind::Producer).child_of("shop"),
        span("receive").kind(SpanKind::Client).child_of("shop").attributes(attributes).attributes(
            [
                ("messaging.destination.name", otel_messaging_testing::attributes::any()),
                ("messaging.destination.temporary", true.into()),
            ],
        ),
    ]);
}
