//! JetStream, as far as it needs no server that has it.

#![cfg(all(feature = "otel", feature = "jetstream"))]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::{
    future::poll_fn,
    pin::pin,
    task::Poll,
    time::{Duration, Instant, SystemTime},
};

use futures::StreamExt;
use opentelemetry::trace::{SpanKind, Status};
use otel_messaging_async_nats::{
    Request,
    bare::{
        self,
        datetime::DateTime,
        jetstream::consumer::{Consumer as BareConsumer, Info, SequenceInfo},
    },
    client::traits::{Publisher, Requester},
    jetstream::{
        self, AckKind, Context, ContextBuilder, Message,
        consumer::{Consumer, FromConsumer, IntoConsumerConfig, pull, push},
        context::PublishErrorKind,
        message::{OutboundMessage, PublishMessage},
    },
    message::OutboundMessage as CoreMessage,
    otel::semconv,
    semconv::{DUPLICATE, SEQUENCE, STREAM},
};
use otel_messaging_testing::{
    attributes::any,
    spans::{ExpectedSpan, span},
};
use support::{Nats, PATIENCE, server::until};
use tokio::time::timeout;

const ACK: &str = "$JS.ACK.ORDERS.billing.1.7.7.1700000000000000000.0";

/// A consumer of the stream `ORDERS`, which no server has to know of.
fn consumer<C>(nats: &Nats, config: C) -> Consumer<C>
where
    C: IntoConsumerConfig + FromConsumer + Clone,
{
    let sequence = SequenceInfo { consumer_sequence: 0, stream_sequence: 0, last_active: None };
    let info = Info {
        stream_name: "ORDERS".to_owned(),
        name: "billing".to_owned(),
        created: DateTime::UNIX_EPOCH,
        config: config.clone().into_consumer_config(),
        delivered: sequence,
        ack_floor: sequence,
        num_ack_pending: 0,
        num_redelivered: 0,
        num_waiting: 0,
        num_pending: 0,
        cluster: None,
        push_bound: false,
    };
    let context = bare::jetstream::new(nats.client.get_ref().clone());
    Consumer::wrap(BareConsumer::new(config, info, context), &nats.client)
}

fn push_config(filter: &str) -> push::Config {
    let (deliver, filter) = ("deliver".to_owned(), filter.to_owned());
    push::Config { deliver_subject: deliver, filter_subject: filter, ..Default::default() }
}

/// A span of a consumer of `ORDERS` on messages that are called so.
fn consuming(nats: &Nats, operation: &'static str, kind: &'static str, name: &str) -> ExpectedSpan {
    let otel = if kind == "process" { SpanKind::Consumer } else { SpanKind::Client };
    span(format!("{operation} {name}"))
        .kind(otel)
        .attributes(nats.attributes(operation, kind, None))
        .attributes([(STREAM, "ORDERS".into()), (SEQUENCE, 7.into())])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_several_subjects_is_named_after_the_filter_or_the_stream() {
    let template = (semconv::DESTINATION_TEMPLATE, "orders.>".into());
    for (filter, name, destination) in [
        ("", "ORDERS", (semconv::DESTINATION_NAME, "ORDERS".into())),
        ("orders.>", "orders.>", template),
    ] {
        let nats = Nats::new().await;
        let mut messages = consumer(&nats, push_config(filter)).messages().await.unwrap();
        for subject in ["orders.7", "orders.8"] {
            nats.server.deliver_to("deliver", subject, ACK, b"", b"").await;
        }
        let batch = messages.batches(2, PATIENCE).next().await.unwrap().unwrap();
        batch.process(async {}).await;
        let of_two = |operation, kind| {
            let count = (semconv::BATCH_MESSAGE_COUNT, 2.into());
            consuming(&nats, operation, kind, name).attributes([destination.clone(), count])
        };
        nats.telemetry.assert_spans([of_two("receive", "receive"), of_two("process", "process")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_begins_with_its_request() {
    let nats = Nats::new().await;
    let config = pull::Config { durable_name: Some("billing".to_owned()), ..Default::default() };
    let consumer = consumer(&nats, config);
    // The server would say that there is no JetStream.
    let _api = nats.client.get_ref().subscribe("$JS.API.>").await.unwrap();
    let fetch = async { consumer.fetch().max_messages(1).messages().await.unwrap() };
    begins_with_its_request(&nats, 1, fetch).await;
    let batch = async { consumer.batch().max_messages(1).messages().await.unwrap() };
    begins_with_its_request(&nats, 2, batch).await;
    let sequence = async { consumer.sequence(1).unwrap().next().await.unwrap().unwrap() };
    begins_with_its_request(&nats, 3, sequence).await;
    let fetch = consuming(&nats, "fetch", "receive", "orders").attributes([
        (semconv::DESTINATION_NAME, "orders".into()),
        (semconv::CONSUMER_GROUP_NAME, "billing".into()),
    ]);
    nats.telemetry.assert_spans([fetch.clone(), fetch.clone(), fetch]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_ends_a_batch_loses_no_message() {
    let nats = Nats::new().await;
    let consumer = consumer(&nats, pull::Config::default());
    let _api = nats.client.get_ref().subscribe("$JS.API.>").await.unwrap();
    let fetched = consumer.fetch().max_messages(3).messages().await.unwrap();
    let inbox = nats.server.published(1).await.pop().unwrap().reply.unwrap();
    nats.server.deliver_to(&inbox, "orders", ACK, b"", b"").await;
    nats.server.deliver(&inbox, "", b"NATS/1.0 409 Consumer Deleted\r\n\r\n", b"").await;
    assert_eq!(fetched.into_batch().await.unwrap().len(), 1);
    let one = (semconv::BATCH_MESSAGE_COUNT, 1.into());
    let fetch = consuming(&nats, "fetch", "receive", "orders")
        .attributes([(semconv::DESTINATION_NAME, "orders".into()), one]);
    let text = "error while processing messages from the stream: 409, Some(\"Consumer Deleted\")";
    let failed = span("fetch ORDERS")
        .kind(SpanKind::Client)
        .attributes(nats.attributes("fetch", "receive", Some("ORDERS")))
        .attributes([(STREAM, "ORDERS".into())]);
    nats.telemetry.assert_spans([fetch, failed.error("Other", Some(text))]);
}

/// Takes the message of the `count`-th request, whose span begins before the request.
async fn begins_with_its_request(
    nats: &Nats,
    count: usize,
    request: impl Future<Output = pull::Batch>,
) {
    let before = SystemTime::now();
    let mut fetched = request.await;
    let requested = SystemTime::now();
    until(|| (SystemTime::now() > requested).then_some(())).await;
    let inbox = nats.server.published(count).await.pop().unwrap().reply.unwrap();
    nats.server.deliver_to(&inbox, "orders", ACK, b"", b"").await;
    fetched.next().await.unwrap().unwrap();
    let fetch = nats.telemetry.spans().pop().unwrap();
    assert!((before..=requested).contains(&fetch.start_time), "{fetch:?}");
}

/// A message of `orders` that the client received otherwise.
fn delivered(nats: &Nats) -> Message {
    let context = bare::jetstream::new(nats.client.get_ref().clone());
    let message = bare::Message {
        subject: "orders".into(),
        reply: Some(ACK.into()),
        payload: "".into(),
        headers: None,
        status: None,
        description: None,
        length: 0,
    };
    Message::wrap(bare::jetstream::Message { message, context }, &nats.client)
}

fn settled(nats: &Nats, operation: &'static str) -> ExpectedSpan {
    let attributes = nats.attributes(operation, "settle", Some("orders"));
    span(format!("{operation} orders"))
        .kind(SpanKind::Client)
        .attributes(attributes)
        .attributes([(SEQUENCE, 7.into())])
}

/// Polls a settlement once and drops it.
async fn start_and_drop(settlement: impl Future<Output = Result<(), bare::Error>>) {
    let mut settlement = pin!(settlement);
    let polled = poll_fn(|context| Poll::Ready(settlement.as_mut().poll(context)));
    assert!(polled.await.is_pending(), "it was confirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_that_is_dropped_is_cancelled_only_if_the_client_had_not_taken_it() {
    let nats = Nats::new().await;
    // With a responder that stays silent, no answer can come before the drop.
    let _responder = nats.client.get_ref().subscribe(ACK).await.unwrap();
    let (_, acker) = delivered(&nats).split();
    let order = delivered(&nats);
    start_and_drop(order.double_ack()).await;
    start_and_drop(order.double_ack_with(AckKind::Nak(None))).await;
    start_and_drop(order.double_ack_with(AckKind::Progress)).await;
    start_and_drop(acker.double_ack_with(AckKind::Term)).await;
    let taken = nats.server.published(4).await;
    let bodies: Vec<&[u8]> = taken.iter().map(|ack| &*ack.payload).collect();
    assert_eq!(bodies, [&b"+ACK"[..], b"-NAK", b"+WPI", b"+TERM"]);
    nats.telemetry.assert_spans(["ack", "nak", "term"].map(|verb| settled(&nats, verb)));

    let nats = Nats::stalled().await;
    let order = delivered(&nats);
    let cancelled = |verb| settled(&nats, verb).error("cancelled", None);
    start_and_drop(order.ack()).await;
    start_and_drop(order.ack_with(AckKind::Nak(None))).await;
    start_and_drop(order.double_ack()).await;
    nats.telemetry.assert_spans(["ack", "nak", "ack"].map(cancelled));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_ends_with_the_confirmation() {
    let nats = Nats::new().await;
    let order = delivered(&nats);
    let mut acks = nats.client.get_ref().subscribe(ACK).await.unwrap();
    let confirm = async {
        let ack = acks.next().await.unwrap();
        nats.telemetry.assert_spans([]);
        nats.client.get_ref().publish(ack.reply.unwrap(), "".into()).await.unwrap();
    };
    let (confirmed, ()) = tokio::join!(order.double_ack(), confirm);
    confirmed.unwrap();
    nats.telemetry.assert_spans([settled(&nats, "ack")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_that_is_dropped_is_nothing() {
    let nats = Nats::new().await;
    let api = nats.client.get_ref().subscribe("$JS.API.DIRECT.GET.ORDERS").await;
    let mut silent = api.unwrap();
    let context = jetstream::new(nats.client.clone());
    let stream = context.get_stream_no_info("ORDERS").await.unwrap();
    tokio::select! {
        biased;
        _ = stream.direct_get(7) => panic!("it was answered"),
        _ = silent.next() => {} // the request has arrived
    }
    nats.telemetry.assert_spans([]);
    nats.telemetry.assert_metrics([]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_classed_by_its_variant() {
    let nats = Nats::new().await;
    let context = jetstream::new(nats.client.clone());
    let stream = context.get_stream_no_info("ORDERS").await.unwrap();
    let error = stream.direct_get(7).await.unwrap_err();
    assert_eq!(error.to_string(), "unable to get message: 503 no responders");
    let get = span("get ORDERS")
        .kind(SpanKind::Client)
        .attributes(nats.attributes("get", "receive", Some("ORDERS")))
        .attributes([(STREAM, "ORDERS".into())]);
    nats.telemetry.assert_spans([get.error("ErrorResponse", Some(&error.to_string()))]);
}

/// Acknowledges what is published to `orders`, as a stream does.
async fn acknowledge(nats: &Nats) {
    let client = nats.client.get_ref().clone();
    let mut orders = client.subscribe("orders").await.unwrap();
    tokio::spawn(async move {
        for sequence in 1.. {
            let Some(order) = orders.next().await else { return };
            let is_known = sequence == 2;
            let ack = format!(r#"{{"stream":"ORDERS","seq":{sequence},"duplicate":{is_known}}}"#);
            client.publish(order.reply.unwrap(), ack.into()).await.unwrap();
        }
    });
}

fn orders(count: usize) -> impl Iterator<Item = OutboundMessage> {
    (0..count).map(|_| PublishMessage::build().outbound_message("orders"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_ends_with_the_answer_or_at_the_hand_over() {
    let nats = Nats::new().await;
    acknowledge(&nats).await;
    let context = jetstream::new(nats.client.clone());
    let answer = context.publish("orders", "7".into()).await.unwrap();
    nats.telemetry.assert_spans([]);
    assert_eq!(answer.await.unwrap().sequence, 1);
    context.publish("orders", "7".into()).await.unwrap().await.unwrap();
    drop(context.publish("orders", "8".into()).await.unwrap());
    drop(IntoFuture::into_future(context.publish("orders", "9".into()).await.unwrap()));
    let answered = |sequence: i64| {
        let place = [(STREAM, "ORDERS".into()), (SEQUENCE, sequence.into())];
        nats.publish("orders").attributes(place)
    };
    nats.telemetry.assert_spans([
        answered(1),
        answered(2).attributes([(DUPLICATE, true.into())]),
        nats.publish("orders"),
        nats.publish("orders"),
    ]);
    context.wait_for_acks().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_needs_no_more_room_than_there_is() {
    let nats = Nats::new().await;
    acknowledge(&nats).await;
    let narrow = ContextBuilder::new().max_ack_inflight(3).build(nats.client.get_ref().clone());
    let narrow = Context::wrap(narrow, &nats.client);
    let results = timeout(PATIENCE, narrow.publish_batch(orders(100))).await.unwrap();
    let sequences: Vec<u64> = results.into_iter().map(|result| result.unwrap().sequence).collect();
    assert_eq!(sequences, (1..=100).collect::<Vec<_>>(), "in their order");
    let create = |index: i64| {
        let attributes = nats.attributes("create", "create", Some("orders"));
        span("create orders")
            .kind(SpanKind::Producer)
            .attributes(attributes)
            .label(index.to_string())
    };
    let send = nats.publish("orders").kind(SpanKind::Client);
    let send = send.attributes([(semconv::BATCH_MESSAGE_COUNT, 100.into())]);
    let send = (0..100).fold(send, |send, index: i64| send.linked_to(index.to_string()));
    nats.telemetry.assert_spans((0..100).map(create).chain([send.links_in_order()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_waited_for_together() {
    let nats = Nats::new().await;
    // Somebody listens, and no stream does.
    let _silent = nats.client.get_ref().subscribe("orders").await.unwrap();
    let mut context = jetstream::new(nats.client.clone());
    context.set_timeout(Duration::from_millis(200));
    let before = Instant::now();
    let results = context.publish_batch(orders(100)).await;
    assert!(before.elapsed() < Duration::from_secs(10), "one after the other it takes twenty");
    let kinds: Vec<_> = results.into_iter().map(|result| result.unwrap_err().kind()).collect();
    assert_eq!(kinds, [PublishErrorKind::TimedOut; 100]);
    let spans = nats.telemetry.spans();
    let send = spans.iter().find(|span| span.span_kind == SpanKind::Client).unwrap();
    assert_eq!(send.status, Status::Error { description: "100 messages failed".into() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_publishes_and_asks_as_its_client_does() {
    let nats = Nats::new().await;
    acknowledge(&nats).await;
    let context = jetstream::new(nats.client.clone());
    let message =
        CoreMessage { subject: "bills".into(), reply: None, payload: "7".into(), headers: None };
    context.publish_message(message).await.unwrap();
    context.publish_with_reply("bills", "nowhere", "7".into()).await.unwrap();
    Requester::send_request(&context, "orders", Request::new()).await.unwrap();
    let request = nats.attributes("request", "send", Some("orders"));
    let reply = nats.attributes("receive", "receive", None);
    nats.telemetry.assert_spans([
        nats.publish("bills"),
        nats.publish("bills"),
        span("request orders").kind(SpanKind::Producer).attributes(request),
        span("receive").kind(SpanKind::Client).attributes(reply).attributes([
            (semconv::DESTINATION_NAME, any()),
            (semconv::DESTINATION_TEMPORARY, true.into()),
        ]),
    ]);
}
