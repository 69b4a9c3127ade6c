//! Core NATS: every way to publish and to ask, and what subscriptions tell of their messages.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod support;

use std::time::Duration;

use futures::{FutureExt, SinkExt, StreamExt};
use opentelemetry::trace::{SpanContext, SpanKind};
use otel_messaging_async_nats::{
    Client, ConnectOptions, HeaderMap, PublishErrorKind, Request, RequestErrorKind, Subject,
    client::traits,
    message::OutboundMessage,
    otel::{CreationContext, Instrumentation, semconv},
};
use otel_messaging_testing::{
    attributes::any,
    metrics::{counter, histogram},
    spans::{ExpectedSpan, remote, span},
};
use support::{Attribute, Nats, PATIENCE, foreign, server::Server};

fn outbound(subject: &str) -> OutboundMessage {
    OutboundMessage {
        subject: subject.into(),
        reply: None,
        payload: "7 apples".into(),
        headers: None,
    }
}

/// What W3C Trace Context writes for `context`.
fn traceparent(context: &SpanContext) -> String {
    format!("traceparent: 00-{}-{}-01", context.trace_id(), context.span_id())
}

fn foreign_context(id: u8) -> SpanContext {
    CreationContext::from_map([("traceparent", foreign(id))]).span_context().clone()
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
    traits::Publisher::publish_message(client, outbound("6")).await.unwrap();
    client.clone().send(outbound("7")).await.unwrap();
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
async fn what_the_client_refuses_was_never_sent() {
    let nats = Nats::on(Server::telling("127.0.0.1", 10).await, |builder| builder).await;
    let error = nats.client.publish("orders", "more than ten".into()).await.unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::MaxPayloadExceeded);
    let refused = nats.publish("orders").error("MaxPayloadExceeded", Some(&error.to_string()));
    nats.telemetry.assert_spans([refused]);
    let error = nats.client.publish_with_reply("orders", "no reply", "".into()).await.unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::InvalidSubject);
    let mut sink = nats.client.clone();
    let message = OutboundMessage { payload: "more than ten".into(), ..outbound("orders") };
    sink.send(message).await.unwrap_err();
    // What just fits is sent, without context.
    nats.client.publish("orders", "ten bytes.".into()).await.unwrap();
    assert_eq!(nats.server.published(1).await[0].headers, b"");
    let labels = [
        (semconv::SYSTEM, "nats".into()),
        (semconv::OPERATION_NAME, "publish".into()),
        (semconv::SERVER_ADDRESS, "127.0.0.1".into()),
        (semconv::SERVER_PORT, i64::from(nats.server.port).into()),
        (semconv::DESTINATION_NAME, "orders".into()),
    ];
    let timed = |error: &'static str| {
        let mut labels = labels.to_vec();
        labels.push((semconv::OPERATION_TYPE, "send".into()));
        if !error.is_empty() {
            labels.push((semconv::ERROR_TYPE, error.into()));
        }
        labels
    };
    nats.telemetry.assert_metrics([
        counter(semconv::CLIENT_SENT_MESSAGES).unit("{message}").point(1, labels.to_vec()),
        histogram(semconv::CLIENT_OPERATION_DURATION)
            .unit("s")
            .boundaries(&semconv::DURATION_BOUNDARIES)
            .point(1, timed(""))
            .point(1, timed("InvalidSubject"))
            .point(2, timed("MaxPayloadExceeded")),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_creates_each_message() {
    let nats = Nats::new().await;
    let mut messages = vec![outbound("orders"), outbound("orders"), outbound("orders")];
    messages[1].subject = "not a subject".into();
    let results = nats.client.publish_batch(messages).await;
    let refused: Vec<bool> = results.iter().map(Result::is_err).collect();
    assert_eq!(refused, [false, true, false]);
    let create = |subject: &str| {
        let attributes = nats.attributes("create", "create", Some(subject));
        span(format!("create {subject}")).kind(SpanKind::Producer).attributes(attributes)
    };
    let server = format!("127.0.0.1:{}", nats.server.port);
    nats.telemetry.assert_spans([
        create("orders").label("1"),
        create("not a subject").label("2"),
        create("orders").label("3"),
        span(format!("publish {server}"))
            .kind(SpanKind::Client)
            .attributes(nats.attributes("publish", "send", None))
            .attributes([("messaging.batch.message_count", 3.into())])
            .linked_to("1")
            .linked_to("2")
            .linked_to("3")
            .event(
                "exception",
                [
                    ("exception.type", "InvalidSubject".into()),
                    ("exception.message", "message 1 of the batch".into()),
                ],
            )
            .error("InvalidSubject", Some("1 messages failed")),
    ]);
    // What was refused was never sent.
    let labels = [
        (semconv::SYSTEM, "nats".into()),
        (semconv::OPERATION_NAME, "publish".into()),
        (semconv::SERVER_ADDRESS, "127.0.0.1".into()),
        (semconv::SERVER_PORT, i64::from(nats.server.port).into()),
    ];
    let of_batch =
        [(semconv::OPERATION_TYPE, "send".into()), (semconv::ERROR_TYPE, "InvalidSubject".into())];
    nats.telemetry.assert_metrics([
        counter(semconv::CLIENT_SENT_MESSAGES).unit("{message}").point(2, labels.clone()),
        histogram(semconv::CLIENT_OPERATION_DURATION)
            .unit("s")
            .boundaries(&semconv::DURATION_BOUNDARIES)
            .point(1, labels.into_iter().chain(of_batch)),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_created_elsewhere_keeps_its_context() {
    let nats = Nats::new().await;
    let creation = CreationContext::from_map([("traceparent", foreign(1))]);
    nats.client.publish_created(outbound("orders"), &creation).await.unwrap();
    let send = nats.publish("orders").kind(SpanKind::Client);
    nats.telemetry.assert_spans([send.linked_to(foreign_context(1))]);
    assert_eq!(nats.server.published(1).await[0].lines(), [format!("traceparent: {}", foreign(1))]);
}

fn request(nats: &Nats, subject: &str) -> ExpectedSpan {
    let attributes = nats.attributes("request", "send", Some(subject));
    span(format!("request {subject}")).kind(SpanKind::Producer).attributes(attributes)
}

fn reply(nats: &Nats) -> ExpectedSpan {
    span("receive")
        .kind(SpanKind::Client)
        .attributes(nats.attributes("receive", "receive", None))
        .attributes([
            (semconv::DESTINATION_NAME, any()),
            (semconv::DESTINATION_TEMPORARY, true.into()),
        ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_inside_the_process_span() {
    let nats = Nats::new().await;
    let mut requests = nats.client.subscribe("price").await.unwrap();
    let client = nats.client.clone();
    let responder = tokio::spawn(async move {
        for _ in 0..4 {
            let request = requests.next().await.unwrap();
            let answer = client.publish(request.reply.clone().unwrap(), "7".into());
            request.process(answer).await.unwrap();
        }
    });
    let client = &nats.client;
    let answers = [
        client.request("price", "apples".into()).await.unwrap().into_inner(),
        client
            .request_with_headers("price", HeaderMap::new(), "".into())
            .await
            .unwrap()
            .into_inner(),
        client
            .send_request("price", Request::new().inbox("_INBOX.mine".into()))
            .await
            .unwrap()
            .into_inner(),
        traits::Requester::send_request(client, "price", Request::new()).await.unwrap(),
    ];
    assert!(answers.iter().all(|answer| answer.payload == "7"));
    responder.await.unwrap();
    let temporary =
        [(semconv::DESTINATION_NAME, any()), (semconv::DESTINATION_TEMPORARY, true.into())];
    nats.telemetry.assert_spans((0..4).flat_map(|index: u8| {
        let (ask, handle, answer) =
            (format!("ask{index}"), format!("handle{index}"), format!("answer{index}"));
        [
            request(&nats, "price").label(ask.clone()),
            nats.receive("price").linked_to(remote(ask.clone())),
            nats.process("price").linked_to(remote(ask)).label(handle.clone()),
            span("publish")
                .kind(SpanKind::Producer)
                .child_of(handle)
                .attributes(nats.attributes("publish", "send", None))
                .attributes(temporary.clone())
                .label(answer.clone()),
            reply(&nats).linked_to(remote(answer)),
        ]
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_fail_by_class() {
    let nats = Nats::new().await;
    let client = &nats.client;
    let error = client.request("nobody", "".into()).await.unwrap_err();
    assert_eq!(error.kind(), RequestErrorKind::NoResponders);
    let no_responders = error.to_string();
    let _silent = client.get_ref().subscribe("silent").await.unwrap();
    let hasty = Request::new().timeout(Some(Duration::from_millis(1)));
    let error = client.send_request("silent", hasty).await.unwrap_err();
    assert_eq!(error.kind(), RequestErrorKind::TimedOut);
    let timed_out = error.to_string();
    let error = client.request("not a subject", "".into()).await.unwrap_err();
    assert_eq!(error.kind(), RequestErrorKind::InvalidSubject);
    nats.telemetry.assert_spans([
        request(&nats, "nobody").error("NoResponders", Some(&no_responders)),
        request(&nats, "silent").error("TimedOut", Some(&timed_out)),
        request(&nats, "not a subject").error("InvalidSubject", Some(&error.to_string())),
    ]);
    // Dropped while it waits.
    nats.telemetry.clear();
    assert!(client.request("silent", "".into()).now_or_never().is_none());
    nats.telemetry.assert_spans([request(&nats, "silent").error("cancelled", None)]);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_loses_nothing_when_it_is_dropped_half_way() {
    let nats = Nats::new().await;
    let mut orders = nats.client.subscribe("orders").await.unwrap();
    let mut batches = orders.batches(3, Duration::MAX);
    let header = |id| format!("NATS/1.0\r\ntraceparent: {}\r\n\r\n", foreign(id));
    for id in 1..=2 {
        nats.server.deliver("orders", "", header(id).as_bytes(), b"").await;
    }
    // It is asked for a thousand times, and dropped each time.
    for _ in 0..1000 {
        assert!(batches.next().now_or_never().is_none(), "there are no three");
        tokio::task::yield_now().await;
    }
    nats.server.deliver("orders", "", header(3).as_bytes(), b"").await;
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
    assert!(batches.flush().is_none());
    // A batch that never becomes full is handed over when the time is over, or at the end.
    drop(batches);
    nats.server.deliver("orders", "", b"", b"").await;
    let Ok(batch) = orders.batches(3, Duration::from_millis(1)).next().await.unwrap();
    assert_eq!(batch.len(), 1);
    orders.unsubscribe_after(5).await.unwrap();
    nats.server.deliver("orders", "", b"", b"").await;
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
        let nats = Nats::on(Server::telling(host, 1 << 20).await, |builder| builder).await;
        nats.client.publish("orders", "".into()).await.unwrap();
        nats.telemetry.assert_spans([nats.publish("orders")]);
        // A client that was connected elsewhere does not know what it was called.
        nats.telemetry.clear();
        let wrapped = Client::new(nats.client.get_ref().clone(), &nats.instrumentation);
        wrapped.publish("orders", "".into()).await.unwrap();
        let spans = nats.telemetry.spans();
        assert!(spans[0].attributes.iter().all(|one| !one.key.as_str().starts_with("server.")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_instrumentation_leaves_everything_as_it_is() {
    let nats = Nats::new().await;
    let client = Client::new(nats.client.get_ref().clone(), &Instrumentation::disabled());
    let mut orders = client.subscribe("orders").await.unwrap();
    client.publish("orders", "7".into()).await.unwrap();
    let order = orders.next().await.unwrap();
    assert_eq!(order.process(async { Ok::<_, std::fmt::Error>(7) }).await, Ok(7));
    assert_eq!(order.headers, None);
    assert_eq!(nats.server.published(1).await[0].headers, b"");
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
    may_move(nats.client.publish_batch([outbound("orders")])).await.pop().unwrap().unwrap();
    let order = may_move(orders.next()).await.unwrap();
    may_move(order.process(nats.client.publish("bills", "7".into()))).await.unwrap();
    let mut batches = may_move(orders.batches(1, PATIENCE));
    let Ok(batch) = may_move(batches.next()).await.unwrap();
    may_move(batch.process(async {})).await;
    may_move(nats.client.request("nobody", "".into())).await.unwrap_err();
}
