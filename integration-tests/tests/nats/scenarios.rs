//! What only a real server shows.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, stream::select_all};
use opentelemetry::trace::{SpanContext, SpanKind};
use otel_messaging_async_nats::{
    Subscriber,
    jetstream::{
        consumer::{AckPolicy, pull},
        message::PublishMessage,
    },
    otel::{AsReceived as _, Batch, ProcessParent, semconv},
};
use otel_messaging_integration_tests::{OwnBroker, nats};
use otel_messaging_testing::{
    attributes::any,
    spans::{ExpectedSpan, remote, span},
    telemetry::Telemetry,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

use crate::support::{Nats, at};

fn inbox(nats: &Nats, operation: &'static str, kind: &'static str, otel: SpanKind) -> ExpectedSpan {
    let mut attributes = nats.attributes(operation, kind);
    attributes.pop();
    span(operation).kind(otel).attributes(attributes).attributes([
        (semconv::DESTINATION_NAME, any()),
        (semconv::DESTINATION_TEMPORARY, true.into()),
    ])
}

/// Answers one request, when `time` comes.
async fn answer(nats: &Nats, mut requests: Subscriber, time: oneshot::Receiver<()>) {
    let request = requests.next().await.unwrap();
    request
        .process(async {
            time.await.unwrap();
            nats.client.publish(request.reply.clone().unwrap(), "7".into()).await
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_two_answer_has_one_reply() {
    let nats = Nats::new().await;
    let orders = nats.subject("orders");
    let first = nats.client.subscribe(orders.clone()).await.unwrap();
    let second = nats.client.subscribe(orders.clone()).await.unwrap();
    let ((now, first_time), (later, second_time)) = (oneshot::channel(), oneshot::channel());
    now.send(()).unwrap();
    let asking = async {
        nats.client.request(orders, "price".into()).await.unwrap();
        later.send(()).unwrap();
    };
    tokio::join!(answer(&nats, first, first_time), answer(&nats, second, second_time), asking);
    let responder = |id: &str| {
        let (process, publish) = (format!("process {id}"), format!("publish {id}"));
        [
            nats.span("receive", "receive", SpanKind::Client).linked_to(remote("request")),
            nats.span("process", "process", SpanKind::Consumer)
                .linked_to(remote("request"))
                .label(process.clone()),
            inbox(&nats, "publish", "send", SpanKind::Producer).child_of(process).label(publish),
        ]
    };
    let asked = [
        nats.span("request", "send", SpanKind::Producer).label("request"),
        inbox(&nats, "receive", "receive", SpanKind::Client).linked_to(remote("publish 1")),
    ];
    nats.telemetry.assert_spans(responder("1").into_iter().chain(responder("2")).chain(asked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_group_of_three_processes_each_message_once() {
    let nats = Nats::new().await;
    let orders = nats.subject("orders");
    let mut members = Vec::new();
    for _ in 0..3 {
        let group = "billing".to_owned();
        members.push(nats.client.queue_subscribe(orders.clone(), group).await.unwrap());
    }
    for index in 0..30 {
        nats.client.publish(orders.clone(), index.to_string().into()).await.unwrap();
    }
    let taken: Vec<_> = select_all(members).take(30).collect().await;
    for order in &taken {
        order.process(async {}).await;
    }
    let spans = taken.iter().flat_map(|order| {
        let id = str::from_utf8(&order.payload).unwrap().to_owned();
        let group = [(semconv::CONSUMER_GROUP_NAME, "billing".into())];
        [
            nats.publish().label(id.clone()),
            nats.span("receive", "receive", SpanKind::Client)
                .attributes(group.clone())
                .linked_to(remote(id.clone())),
            nats.span("process", "process", SpanKind::Consumer)
                .attributes(group)
                .linked_to(remote(id)),
        ]
    });
    nats.telemetry.assert_spans(spans);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_in_batches_of_500_are_linked_one_by_one() {
    let telemetry = Telemetry::builder().with_max_links_per_span(1_000);
    let nats = Nats::with(telemetry, |builder| builder.with_link_limit(1_000)).await;
    let stream = nats.stream().await;
    for _ in 0..10 {
        let message = |_| PublishMessage::build().outbound_message(nats.subject("orders"));
        let results = nats.context.publish_batch((0..1_000).map(message)).await;
        assert!(results.iter().all(Result::is_ok));
    }
    let spans = nats.telemetry.spans();
    let created = spans.iter().filter(|span| span.name.starts_with("create "));
    let created: Vec<SpanContext> = created.map(|span| span.span_context.clone()).collect();
    assert_eq!(created.len(), 10_000);
    nats.telemetry.clear();
    let config = pull::Config { ack_policy: AckPolicy::None, ..Default::default() };
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut linked = Vec::new();
    for _ in 0..20 {
        let fetched = consumer.fetch().max_messages(500).messages().await.unwrap();
        let batch = fetched.into_batch().await.unwrap();
        assert_eq!(batch.len(), 500);
        batch.process(async {}).await;
    }
    let spans = nats.telemetry.spans();
    assert_eq!(spans.len(), 40, "one receive and one process span a batch");
    for span in spans.iter().filter(|span| span.span_kind == SpanKind::Consumer) {
        for link in &span.links.links {
            let [sequence] = &link.attributes[..] else { panic!("one attribute: {link:?}") };
            linked
                .push((link.span_context.clone(), sequence.value.as_str().parse::<i64>().unwrap()));
        }
    }
    assert_eq!(linked.len(), 10_000);
    for ((context, sequence), (created, expected)) in linked.iter().zip(created.iter().zip(1_i64..))
    {
        assert_eq!(
            (context.span_id(), context.trace_id()),
            (created.span_id(), created.trace_id())
        );
        assert_eq!(*sequence, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_consumer_that_starts_again_receives_each_message_once() {
    let nats = Nats::new().await;
    let (stream, consumer) = nats.consumer(3, pull::OrderedConfig::default()).await;
    let mut messages = consumer.messages().await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..3 {
        taken.push(messages.next().await.unwrap().unwrap());
    }
    let names: Vec<String> = stream.consumer_names().map(Result::unwrap).collect().await;
    assert_eq!(names.len(), 1);
    stream.delete_consumer(&names[0]).await.unwrap();
    nats.fill(2).await;
    for _ in 0..2 {
        taken.push(messages.next().await.unwrap().unwrap());
    }
    let receives = taken.iter().zip(1..).map(|(message, sequence)| {
        nats.consuming("receive", "receive", None)
            .attributes(at(sequence))
            .linked_to(remote(message.creation_context().span_context().clone()))
    });
    nats.telemetry.assert_spans(receives.chain([nats.published(4), nats.published(5)]));
    let again: Vec<String> = stream.consumer_names().map(Result::unwrap).collect().await;
    assert_ne!(again, names, "it is another consumer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_message_is_linked_and_never_a_parent() {
    let nats = Nats::with(Telemetry::builder(), |builder| {
        builder.with_process_parent(ProcessParent::CreationContext)
    });
    let nats = nats.await;
    let stream = nats.stream().await;
    nats.fill(2).await;
    let orders = nats.subject("orders");
    let read = [
        stream.direct_get(1).await.unwrap(),
        stream.direct_get_last_for_subject(orders.clone()).await.unwrap(),
        stream.direct_get_first_for_subject(orders.clone()).await.unwrap(),
        stream.direct_get_next_for_subject(orders.clone(), Some(2)).await.unwrap(),
    ];
    let raw = [
        stream.get_raw_message(1).await.unwrap(),
        stream.get_last_raw_message_by_subject(&orders).await.unwrap(),
        stream.get_first_raw_message_by_subject(orders.clone(), 1).await.unwrap(),
        stream.get_next_raw_message_by_subject(&orders).await.unwrap(),
    ];
    let missing = stream.direct_get(7).await.unwrap_err();
    let get = |sequence: i64| {
        nats.span("get", "receive", SpanKind::Client)
            .attributes(at(sequence))
            .attributes(nats.stream_attribute())
            .linked_to(remote(sequence.to_string()))
    };
    let mut missed = nats.attributes("get", "receive");
    missed.pop();
    missed.push((semconv::DESTINATION_NAME, nats.name.clone().into()));
    let published = (1..=2).map(|sequence| nats.published(sequence).label(sequence.to_string()));
    nats.telemetry.assert_spans(
        published.chain([1, 2, 1, 2, 1, 2, 1, 1].map(get)).chain([span(format!(
            "get {}",
            nats.name
        ))
        .kind(SpanKind::Client)
        .attributes(missed)
        .attributes(nats.stream_attribute())
        .error("NotFound", Some(&missing.to_string()))]),
    );
    nats.telemetry.clear();
    let [first, ..] = raw;
    let writer = remote(first.as_received().creation_context().span_context().clone());
    Batch::from(vec![first]).process(async {}).await;
    let process = nats.span("process", "process", SpanKind::Consumer).attributes(at(1));
    let process = process.attributes(nats.stream_attribute());
    let process = process.attributes([(semconv::BATCH_MESSAGE_COUNT, 1.into())]);
    nats.telemetry.assert_spans([process.linked_to(writer)]);
    drop(read);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_is_accounted_for_when_the_server_restarts_within_a_fetch() {
    let server = OwnBroker::start("nats", "nats-restart");
    let nats = Nats::alone(server.endpoint()).await;
    let config = pull::Config {
        durable_name: Some("billing".to_owned()),
        ack_wait: Duration::from_secs(1),
        ..Default::default()
    };
    let (stream, consumer) = nats.consumer(20, config).await;
    let client_id = nats.client.server_info().client_id;
    let mut settled: BTreeMap<u64, SpanContext> = BTreeMap::new();
    let mut fetched = consumer.fetch().max_messages(20).messages().await.unwrap();
    for _ in 0..5 {
        let message = fetched.next().await.unwrap().unwrap();
        message.double_ack().await.unwrap();
        let sequence = message.info().unwrap().stream_sequence;
        settled.insert(sequence, message.creation_context().span_context().clone());
    }
    server.kill();
    server.restart();
    // The fetch may end early or late. What it left is delivered again, and so is what the server had
    // not stored as settled when it was killed.
    let mut rounds = 0;
    let left = async || {
        let left = consumer.get_info().await.unwrap();
        (left.num_pending, left.num_ack_pending)
    };
    while settled.len() < 20 || left().await != (0, 0) {
        rounds += 1;
        let settled_so_far = settled.len();
        assert!(rounds < 100, "{settled_so_far} of 20 were settled; left: {:?}", left().await);
        let batch = match fetched.into_batch().await {
            Ok(batch) => batch,
            Err(_) => Vec::new().into(),
        };
        for message in &batch {
            // The server takes no settlement of deliveries that it has forgotten.
            if message.process(message.double_ack()).await.is_err() {
                break;
            }
            let sequence = message.info().unwrap().stream_sequence;
            settled.insert(sequence, message.creation_context().span_context().clone());
        }
        fetched = loop {
            let builder = consumer.batch().max_messages(20).expires(Duration::from_secs(1));
            if let Ok(fetched) = builder.messages().await {
                break fetched;
            }
        };
    }
    assert_eq!(settled.keys().copied().collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    assert_eq!(stream.get_info().await.unwrap().state.messages, 20);
    // Each message that was received is linked to the span that published it.
    let spans = nats.telemetry.spans();
    let linked = |context: &SpanContext| {
        spans.iter().filter(|span| span.span_kind == SpanKind::Client).any(|span| {
            span.links.links.iter().any(|link| link.span_context.span_id() == context.span_id())
        })
    };
    assert!(settled.values().all(linked));
    let now = nats.client.server_info();
    let last = spans.iter().rfind(|span| span.name.starts_with("ack ")).unwrap();
    let id = last.attributes.iter().find(|one| one.key.as_str() == semconv::CLIENT_ID).unwrap();
    assert_eq!(id.value.as_str(), now.client_id.to_string(), "it was {client_id}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bytes_from_a_socket_lose_no_message() {
    let nats = Nats::new().await;
    let orders = nats.subject("orders");
    let mut subscription = nats.client.subscribe(orders.clone()).await.unwrap();
    let mut socket = TcpStream::connect(nats_address()).await.unwrap();
    let hostile: [&[u8]; 7] = [
        b"NATS/1.0\r\n\r\n",
        b"NATS/1.0\r\ntraceparent:\r\n\r\n",
        b"NATS/1.0\r\ntraceparent: \x00\x01\x7f\r\n\r\n",
        b"NATS/1.0\r\nTRACEPARENT: 00-0-0-zz\r\ntracestate: ,,,=\r\nbaggage: %ff%zz\r\n\r\n",
        b"NATS/1.0\r\nx:  : : \r\ntraceparent: \xc3\xa9\r\n\r\n",
        b"NATS/1.0\r\na: 1\r\na: 2\r\nA: 3\r\n\r\n",
        b"NATS/1.0\r\nNats-Msg-Id: \r\nNats-Expected-Last-Sequence: x\r\n\r\n",
    ];
    // Waits for the subscription, of which the other connection does not know.
    nats.client.request(nats.subject("nobody"), "".into()).await.unwrap_err();
    let mut bytes = b"CONNECT {\"verbose\":false,\"headers\":true}\r\n".to_vec();
    for block in hostile {
        let line = format!("HPUB {orders} {} {}\r\n", block.len(), block.len() + 1);
        bytes.extend([line.as_bytes(), block, b"7\r\n"].concat());
    }
    bytes.extend(b"PING\r\n");
    socket.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"PONG\r\n") {
        assert_ne!(socket.read_buf(&mut answer).await.unwrap(), 0);
    }
    assert!(!str::from_utf8(&answer).unwrap().contains("-ERR"), "{answer:?}");
    nats.telemetry.clear();
    for _ in hostile {
        let order = subscription.next().await.unwrap();
        let body = order.process(async { Ok::<_, std::fmt::Error>(order.payload.clone()) }).await;
        assert_eq!(body.unwrap(), "7");
        assert!(!order.creation_context().is_valid());
    }
    assert_eq!(nats.telemetry.spans().len(), 2 * hostile.len());
}

fn nats_address() -> String {
    nats().trim_start_matches("nats://").to_owned()
}
