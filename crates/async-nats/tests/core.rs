//! What the suite does not know of core NATS: every way to publish, subscriptions, connections.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use futures::{FutureExt, SinkExt, StreamExt};
use opentelemetry::trace::{SpanContext, SpanKind};
use otel_messaging_async_nats::{
    Client, ConnectOptions, HeaderMap, Message, PublishErrorKind, RequestErrorKind, Subject, bare,
    client::traits,
    message::OutboundMessage,
    otel::{CreationContext, Instrumentation, ReceiveSpans, semconv},
};
use otel_messaging_testing::{
    metrics::{counter, histogram},
    spans::{remote, span},
};
use support::{
    Attribute, Nats, PATIENCE, foreign,
    server::{Info, Server},
};

fn outbound(subject: &str, payload: &'static str) -> OutboundMessage {
    let payload = payload.into();
    OutboundMessage { subject: subject.into(), reply: None, payload, headers: None }
}

/// Returns the header line that W3C Trace Context writes for `context`.
fn traceparent(context: &SpanContext) -> String {
    format!("traceparent: 00-{}-{}-01", context.trace_id(), context.span_id())
}

fn creation(id: u8) -> CreationContext {
    CreationContext::from_map([("traceparent", foreign(id))])
}

fn foreign_context(id: u8) -> SpanContext {
    creation(id).span_context().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_publish_is_one_span_whose_context_travels() {
    let nats = Nats::new().await;
    let mut headers = HeaderMap::new();
    headers.insert("Job", "9");
    let payload = || "7 apples".into();
    let client = &nats.client;
    client.publish("1", payload()).await.unwrap();
    client.publish_with_headers("2", headers.clone(), payload()).await.unwrap();
    client.publish_with_reply("3", "back", payload()).await.unwrap();
    client.publish_with_reply_and_headers("4", "back", headers, payload()).await.unwrap();
    traits::Publisher::publish_with_reply(client, "5", "back", payload()).await.unwrap();
    traits::Publisher::publish_message(client, outbound("6", "7 apples")).await.unwrap();
    client.clone().send(outbound("7", "7 apples")).await.unwrap();
    let spans = nats.telemetry.assert_spans((1..=7).map(|way| nats.publish(&way.to_string())));
    let published = nats.server.published(7).await;
    for (message, span) in published.iter().zip(&spans) {
        let mut expected = vec![traceparent(&span.span_context)];
        if ["2", "4"].contains(&&*message.subject) {
            expected.insert(0, "Job: 9".to_owned());
        }
        assert_eq!(message.lines(), expected);
        assert_eq!(message.payload, b"7 apples");
        let reply = ["3", "4", "5"].contains(&&*message.subject).then(|| "back".to_owned());
        assert_eq!(message.reply, reply);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_was_never_sent() {
    let server = Server::telling(Info { max_payload: 10, ..Info::DEFAULT }).await;
    let nats = Nats::on(server, |builder| builder).await;
    let error = nats.client.publish_with_reply("orders", "no reply", "".into()).await.unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::InvalidSubject);
    let invalid = nats.publish("orders").error("InvalidSubject", Some(&error.to_string()));
    let mut sink = nats.client.clone();
    let error = sink.send(outbound("orders", "more than ten")).await.unwrap_err();
    let large = nats.publish("orders").error("MaxPayloadExceeded", Some(&error.to_string()));
    // A message that just fits is sent without context.
    nats.client.publish("orders", "ten bytes.".into()).await.unwrap();
    assert_eq!(nats.server.published(1).await[0].headers, b"");
    nats.telemetry.assert_spans([invalid, large, nats.publish("orders")]);
    let labels = nats.metric_labels("publish", "orders");
    let timed = |error: Option<&'static str>| {
        let operation = [(semconv::OPERATION_TYPE, "send".into())];
        let error = error.map(|error| (semconv::ERROR_TYPE, error.into()));
        labels.clone().into_iter().chain(operation).chain(error)
    };
    nats.telemetry.assert_metrics([
        counter(semconv::CLIENT_SENT_MESSAGES).unit("{message}").point(1, labels.clone()),
        histogram(semconv::CLIENT_OPERATION_DURATION)
            .unit("s")
            .boundaries(&semconv::DURATION_BOUNDARIES)
            .point(1, timed(None))
            .point(1, timed(Some("InvalidSubject")))
            .point(1, timed(Some("MaxPayloadExceeded"))),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_message_is_the_same_message() {
    let nats = Nats::with(|builder| builder.with_receive_spans(ReceiveSpans::None)).await;
    let orders = nats.client.subscribe("orders").await.unwrap();
    nats.server.deliver("orders", "", b"", b"7").await;
    // Received without telemetry, so that processing counts it.
    let order = Message::wrap(orders.into_inner().next().await.unwrap(), &nats.client);
    let copy = order.clone();
    copy.process(async {}).await;
    order.process(async {}).await;
    drop(order);
    copy.clone().process(async {}).await;
    nats.telemetry.assert_spans([(); 3].map(|()| nats.process("orders")));
    let labels = nats.metric_labels("process", "orders");
    nats.telemetry.assert_metrics([
        counter(semconv::CLIENT_CONSUMED_MESSAGES).unit("{message}").point(1, labels.clone()),
        histogram(semconv::PROCESS_DURATION)
            .unit("s")
            .boundaries(&semconv::DURATION_BOUNDARIES)
            .point(3, labels),
    ]);
}

/// It carries its context, and knows nothing of a server.
#[tokio::test]
async fn a_message_is_made_without_a_client() {
    let mut headers = HeaderMap::new();
    headers.insert("Traceparent", foreign(1));
    let order = Message::from(bare::Message {
        subject: "orders".into(),
        reply: None,
        payload: "7 apples".into(),
        headers: Some(headers),
        status: None,
        description: None,
        length: 8,
    });
    assert_eq!(order.creation_context().span_context(), &foreign_context(1));
    let handle = async |order: Message| Ok::<_, std::fmt::Error>(order.payload.len());
    assert_eq!(order.process_with(handle).await, Ok(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_tells_its_template_and_its_group() {
    let nats = Nats::new().await;
    let mut orders = nats.client.queue_subscribe("orders.*", "billing".into()).await.unwrap();
    let mut inbox = nats.client.subscribe("_INBOX.x.*").await.unwrap();
    nats.server.deliver("orders.7", "", b"", b"apples").await;
    nats.server.deliver("_INBOX.x.y", "", b"", b"pears").await;
    let order = orders.next().await.unwrap();
    order.process(async {}).await;
    assert_eq!(order.subject, Subject::from("orders.7"));
    inbox.next().await.unwrap();
    let template: Vec<Attribute> = vec![
        (semconv::DESTINATION_TEMPLATE, "orders.*".into()),
        (semconv::CONSUMER_GROUP_NAME, "billing".into()),
    ];
    let named = |operation, kind, otel| {
        span(format!("{operation} orders.*"))
            .kind(otel)
            .attributes(nats.attributes(operation, kind, Some("orders.7")))
            .attributes(template.clone())
    };
    nats.telemetry.assert_spans([
        named("receive", "receive", SpanKind::Client),
        named("process", "process", SpanKind::Consumer),
        span("receive")
            .kind(SpanKind::Client)
            .attributes(nats.attributes("receive", "receive", Some("_INBOX.x.y")))
            .attributes([(semconv::DESTINATION_TEMPORARY, true.into())]),
    ]);
    orders.unsubscribe_after(1).await.unwrap();
    inbox.drain().await.unwrap();
    inbox.unsubscribe().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_and_sizes_are_attributes() {
    let nats = Nats::with(|builder| builder.with_message_sizes(true)).await;
    let mut orders = nats.client.subscribe("orders").await.unwrap();
    let headers = b"NATS/1.0\r\nNats-Msg-Id: 7\r\n\r\n";
    nats.server.deliver("orders", "", headers, b"apples").await;
    orders.next().await.unwrap();
    let envelope = i64::try_from(headers.len() + 6).unwrap();
    nats.telemetry.assert_spans([nats.receive("orders").attributes([
        (semconv::MESSAGE_ID, "7".into()),
        (semconv::MESSAGE_BODY_SIZE, 6.into()),
        (semconv::MESSAGE_ENVELOPE_SIZE, envelope.into()),
    ])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_counts_nothing() {
    let nats = Nats::new().await;
    let mut inbox = nats.client.subscribe("answers").await.unwrap();
    nats.client.publish_with_reply("nobody", "answers", "".into()).await.unwrap();
    let status = inbox.next().await.unwrap();
    assert!(status.status.is_some(), "it is handed over all the same");
    status.process(async {}).await;
    nats.telemetry.assert_spans([nats.publish("nobody")]);
    // In a batch it comes alone, and what came before it first.
    nats.telemetry.clear();
    nats.server.deliver("answers", "", b"", b"7").await;
    nats.server.deliver("answers", "", b"NATS/1.0 503\r\n\r\n", b"").await;
    nats.server.deliver("answers", "", b"", b"8").await;
    let mut batches = inbox.batches(2, PATIENCE);
    for expected in [&["7"][..], &[""]] {
        let Ok(batch) = batches.next().await.unwrap();
        let bodies: Vec<_> = batch.iter().map(|message| message.payload.clone()).collect();
        assert_eq!(bodies, expected);
        batch.process(async {}).await;
    }
    drop(batches);
    let count: [Attribute; 1] = [(semconv::BATCH_MESSAGE_COUNT, 1.into())];
    nats.telemetry.assert_spans([
        nats.receive("answers").attributes(count.clone()),
        nats.process("answers").attributes(count),
    ]);
}

#[tokio::test]
async fn a_batch_that_is_dropped_was_sent_as_far_as_the_client_had_taken_it() {
    let nats = Nats::new().await;
    let options = ConnectOptions::new().client_capacity(1);
    let address = format!("127.0.0.1:{}", nats.server.port);
    let client = Client::connect(address, options, &nats.instrumentation).await.unwrap();
    let batch = ["first", "second"].map(|payload| outbound("orders", payload));
    // There is one thread, so the client's task cannot make room within one poll.
    assert!(client.publish_batch(batch).now_or_never().is_none());
    assert_eq!(nats.server.published(1).await[0].payload, b"first");
    client.flush().await.unwrap();
    assert_eq!(nats.server.published_so_far().len(), 1);
    let create = |label| {
        let attributes = nats.attributes("create", "create", Some("orders"));
        span("create orders").kind(SpanKind::Producer).attributes(attributes).label(label)
    };
    let mut attributes = nats.attributes("publish", "send", Some("orders"));
    attributes.retain(|(key, _)| *key != semconv::CLIENT_ID);
    let exception = [
        ("exception.type", "cancelled".into()),
        ("exception.message", "message 1 of the batch".into()),
    ];
    nats.telemetry.assert_spans([
        create("first"),
        create("second"),
        span("publish orders")
            .kind(SpanKind::Client)
            .attributes(attributes)
            .attributes([
                (semconv::CLIENT_ID, "2".into()),
                (semconv::BATCH_MESSAGE_COUNT, 2.into()),
            ])
            .linked_to("first")
            .linked_to("second")
            .event("exception", exception)
            .error("cancelled", Some("1 messages failed")),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_loses_nothing_when_it_is_dropped_half_way() {
    let nats = Nats::new().await;
    let mut orders = nats.client.subscribe("orders").await.unwrap();
    let mut batches = orders.batches(3, Duration::MAX);
    let deliver = async |id| {
        let header = format!("NATS/1.0\r\ntraceparent: {}\r\n\r\n", foreign(id));
        nats.server.deliver("orders", "", header.as_bytes(), b"").await;
    };
    deliver(1).await;
    deliver(2).await;
    for _ in 0..1000 {
        assert!(batches.next().now_or_never().is_none(), "there are no three");
        tokio::task::yield_now().await;
    }
    deliver(3).await;
    let Ok(batch) = batches.next().await.unwrap();
    assert_eq!(batch.len(), 3);
    let receive = nats
        .receive("orders")
        .attributes([(semconv::BATCH_MESSAGE_COUNT, 3.into())])
        .linked_to(remote(foreign_context(1)))
        .linked_to(remote(foreign_context(2)))
        .linked_to(remote(foreign_context(3)))
        .links_in_order();
    nats.telemetry.assert_spans([receive]);
    // A batch that does not become full is handed over when the time is over, or at the end.
    assert!(batches.flush().is_none());
    deliver(4).await;
    let Ok(batch) = orders.batches(3, Duration::from_millis(1)).next().await.unwrap();
    assert_eq!(batch.len(), 1);
    orders.unsubscribe_after(5).await.unwrap();
    deliver(5).await;
    let mut batches = orders.batches(3, Duration::MAX);
    let Ok(batch) = batches.next().await.unwrap();
    assert_eq!(batch.len(), 1);
    assert!(batches.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_known_anew_after_a_reconnect() {
    let nats = Nats::new().await;
    nats.client.publish("orders", "".into()).await.unwrap();
    nats.telemetry.assert_spans([nats.publish("orders")]);
    nats.server.published(1).await;
    nats.server.cut();
    while nats.client.server_info().client_id == 1 {
        tokio::task::yield_now().await;
    }
    nats.telemetry.clear();
    nats.client.publish("orders", "".into()).await.unwrap();
    let spans = nats.telemetry.spans();
    let id =
        spans[0].attributes.iter().find(|attribute| attribute.key.as_str() == semconv::CLIENT_ID);
    assert_eq!(id.unwrap().value.as_str(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_listens_everywhere_is_called_as_the_application_calls_it() {
    for host in ["0.0.0.0", "::", ""] {
        let nats =
            Nats::on(Server::telling(Info { host, ..Info::DEFAULT }).await, |builder| builder)
                .await;
        nats.client.publish("orders", "".into()).await.unwrap();
        nats.telemetry.assert_spans([nats.publish("orders")]);
        // A client that was connected elsewhere does not know what it was called.
        nats.telemetry.clear();
        let wrapped = Client::wrap(nats.client.get_ref().clone(), &nats.instrumentation);
        wrapped.publish("orders", "".into()).await.unwrap();
        let spans = nats.telemetry.spans();
        assert!(spans[0].attributes.iter().all(|one| !one.key.as_str().starts_with("server.")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_instrumentation_leaves_everything_as_it_is() {
    let nats = Nats::new().await;
    let client = Client::wrap(nats.client.get_ref().clone(), &Instrumentation::disabled());
    let mut orders = client.with_canonical_headers().subscribe("orders").await.unwrap();
    let client = Client::wrap(nats.client.get_ref().clone(), &Instrumentation::disabled());
    client.publish("orders", "7".into()).await.unwrap();
    client.publish_with_reply("orders", "back", "7".into()).await.unwrap();
    client.publish_with_context(outbound("orders", "7"), &creation(1)).await.unwrap();
    let batch = [outbound("orders", "7"), outbound("not a subject", "")];
    let results = client.publish_batch(batch).await;
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
    client.clone().send(outbound("orders", "7")).await.unwrap();
    let mut batches = orders.batches(3, PATIENCE);
    let Ok(batch) = batches.next().await.unwrap();
    assert_eq!(batch.process(async { Ok::<_, std::fmt::Error>(batch.len()) }).await, Ok(3));
    let order = orders.next().await.unwrap();
    assert_eq!(order.process(async { Ok::<_, std::fmt::Error>(7) }).await, Ok(7));
    let error = client.request("nobody", "".into()).await.unwrap_err();
    assert_eq!(error.kind(), RequestErrorKind::NoResponders);
    assert!(nats.server.published(6).await.iter().all(|message| message.headers.is_empty()));
    nats.telemetry.assert_spans([]);
    nats.telemetry.assert_metrics([]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_keeps_no_connection_alive() {
    let Nats { server, telemetry, client, .. } = Nats::new().await;
    let mut orders = client.subscribe("orders").await.unwrap();
    client.publish("orders", "7".into()).await.unwrap();
    let order = orders.next().await.unwrap();
    drop((orders, client));
    server.is_left().await;
    telemetry.clear();
    order.process(async {}).await;
    assert_eq!(telemetry.spans().len(), 1, "it can be processed all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn inboxes_of_any_prefix_are_temporary() {
    let nats = Nats::new().await;
    let options = ConnectOptions::new().custom_inbox_prefix("mine");
    let server = format!("127.0.0.1:{}", nats.server.port);
    let client = Client::connect(server, options, &nats.instrumentation).await.unwrap();
    client.publish(client.new_inbox(), "".into()).await.unwrap();
    client.publish("$JS.ACK.ORDERS.billing.1.7.7.1700000000000000000.0", "".into()).await.unwrap();
    client.publish("minerals", "".into()).await.unwrap();
    let spans = nats.telemetry.spans();
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["publish", "publish", "publish minerals"]);
}

/// They may be awaited in any task.
#[tokio::test(flavor = "multi_thread")]
async fn futures_and_streams_may_move() {
    fn may_move<T: Send>(value: T) -> T {
        value
    }
    let nats = Nats::new().await;
    let mut orders = may_move(nats.client.subscribe("orders")).await.unwrap();
    may_move(nats.client.publish("orders", "7".into())).await.unwrap();
    may_move(nats.client.publish_batch([outbound("orders", "8")])).await.pop().unwrap().unwrap();
    let order = may_move(orders.next()).await.unwrap();
    may_move(order.process(nats.client.publish("bills", "7".into()))).await.unwrap();
    let mut batches = may_move(orders.batches(1, PATIENCE));
    let Ok(batch) = may_move(batches.next()).await.unwrap();
    may_move(batch.process(async {})).await;
    may_move(nats.client.request("nobody", "".into())).await.unwrap_err();
}
