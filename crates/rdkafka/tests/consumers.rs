//! Consumers: receive spans, batches that lose nothing, processing anywhere, and settlement.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod support;

use std::{
    collections::HashSet,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt};
use opentelemetry::{
    Context,
    trace::{SpanKind, Status, TraceContextExt},
};
use otel_messaging_rdkafka as rdkafka;
use otel_messaging_testing::spans::{ExpectedSpan, remote, span};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, DefaultConsumerContext, StreamConsumer},
    error::KafkaError,
    message::{BorrowedMessage, Header, OwnedHeaders, OwnedMessage},
    otel::{AsReceived, Batch, ReceiveSpans, semconv},
    producer::{FutureRecord, Producer},
};
use support::{Attribute, Kafka, PATIENCE, headers_of, know_cluster, payload, with_invalid_name};

/// Sends so many records to one partition, and forgets the spans of it if asked to.
async fn produce(kafka: &Kafka, topic: &str, count: usize) {
    let producer = kafka.producer();
    let payloads: Vec<String> = (0..count).map(|index| index.to_string()).collect();
    let sends = payloads.iter().map(|payload| {
        let record = FutureRecord::<str, str>::to(topic).partition(0).payload(payload);
        producer.send(record, PATIENCE)
    });
    for sent in futures::future::join_all(sends).await {
        sent.expect("it is delivered");
    }
    kafka.telemetry.wait_for(count);
}

fn at(kafka: &Kafka, operation: &'static str, kind: &'static str, offset: i64) -> Vec<Attribute> {
    let mut attributes = kafka.attributes(operation, kind, Some("orders"));
    attributes.push((semconv::DESTINATION_PARTITION_ID, "0".into()));
    attributes.push(("messaging.kafka.offset", offset.into()));
    attributes
}

fn poll(kafka: &Kafka, offset: i64) -> ExpectedSpan {
    span("poll orders").kind(SpanKind::Client).attributes(at(kafka, "poll", "receive", offset))
}

fn process(kafka: &Kafka, offset: i64) -> ExpectedSpan {
    let attributes = at(kafka, "process", "process", offset);
    span("process orders").kind(SpanKind::Consumer).attributes(attributes)
}

#[tokio::test(flavor = "multi_thread")]
async fn receive_process_and_commit_are_linked_to_the_send() {
    let kafka = Kafka::new();
    produce(&kafka, "orders", 1).await;
    let consumer = kafka.consumer("orders");
    let order = consumer.recv().await.unwrap();
    let result: Result<usize, std::fmt::Error> =
        order.process(async { Ok(order.payload().map_or(0, <[u8]>::len)) }).await;
    assert_eq!(result, Ok(1));
    consumer.commit_message(&order, CommitMode::Sync).unwrap();
    kafka.telemetry.assert_spans([
        kafka.send("orders", 0, 0).label("send"),
        poll(&kafka, 0).linked_to(remote("send")),
        process(&kafka, 0).label("process").linked_to(remote("send")),
        span("commit orders")
            .kind(SpanKind::Client)
            .child_of("process")
            .attributes(at(&kafka, "commit", "settle", 0))
            .linked_to(remote("send")),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_receive_hands_over_our_messages() {
    let kafka = Kafka::new();
    produce(&kafka, "orders", 6).await;
    let mut offsets = HashSet::new();

    let stream = kafka.consumer("orders");
    offsets.insert(stream.recv().await.unwrap().offset());
    let mut messages = stream.stream();
    for _ in 0..2 {
        offsets.insert(messages.next().await.unwrap().unwrap().offset());
    }
    drop(messages);
    stream.commit_consumer_state(CommitMode::Sync).unwrap();

    let config = kafka.consumer_config();
    let base =
        BaseConsumer::create(&config, DefaultConsumerContext, &kafka.instrumentation).unwrap();
    know_cluster(base.client());
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("orders", 0, Offset::Offset(3)).unwrap();
    base.assign(&assignment).unwrap();
    let polled = loop {
        if let Some(message) = base.poll(Duration::from_millis(100)) {
            break message.unwrap();
        }
    };
    offsets.insert(polled.offset());
    offsets.insert(base.iter().next().unwrap().unwrap().offset());
    offsets.insert((&base).into_iter().next().unwrap().unwrap().offset());
    assert_eq!(offsets, HashSet::from([0, 1, 2, 3, 4, 5]));
    assert!(base.poll(Duration::ZERO).is_none(), "and an empty poll is no span");

    let spans = kafka.telemetry.spans();
    let polls: Vec<_> = spans.iter().filter(|span| span.name == "poll orders").collect();
    assert_eq!(polls.len(), 6);
    assert!(polls.iter().all(|span| span.links.len() == 1 && span.status == Status::Unset));
    let commits: Vec<_> = spans.iter().filter(|span| span.name.starts_with("commit")).collect();
    assert_eq!(commits.len(), 1);
    assert_eq!(commits[0].name, format!("commit 127.0.0.1:{}", kafka.port()));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_partition_queues_hand_over_our_messages() {
    let kafka = Kafka::new();
    produce(&kafka, "orders", 4).await;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("orders", 0, Offset::Beginning).unwrap();

    let config = kafka.consumer_config();
    let stream: Arc<StreamConsumer> = Arc::new(
        StreamConsumer::create(&config, DefaultConsumerContext, &kafka.instrumentation).unwrap(),
    );
    stream.assign(&assignment).unwrap();
    let queue = stream.split_partition_queue("orders", 0).expect("it is assigned");
    let serve = tokio::spawn({
        let stream = Arc::clone(&stream);
        async move { stream.recv().await.map(|message| message.detach()) }
    });
    assert_eq!(queue.recv().await.unwrap().offset(), 0);
    assert_eq!(queue.stream().next().await.unwrap().unwrap().offset(), 1);
    let batch = queue.batches(2, PATIENCE).next().await.unwrap().unwrap();
    assert_eq!(batch.iter().map(Message::offset).collect::<Vec<_>>(), [2, 3]);
    serve.abort();

    let config = kafka.consumer_config();
    let base =
        BaseConsumer::create(&config, DefaultConsumerContext, &kafka.instrumentation).unwrap();
    base.assign(&assignment).unwrap();
    let base = Arc::new(base);
    let mut queue = base.split_partition_queue("orders", 0).expect("it is assigned");
    let (told, tell) = std::sync::mpsc::channel();
    queue.set_nonempty_callback(move || told.send(()).unwrap_or_default());
    let message = loop {
        assert!(base.poll(Duration::from_millis(10)).is_none(), "it comes from the queue");
        if let Some(message) = queue.poll(Duration::from_millis(100)) {
            break message.unwrap();
        }
    };
    assert_eq!(message.offset(), 0);
    tell.recv_timeout(PATIENCE).expect("the callback was called");
    let spans = kafka.telemetry.spans();
    assert_eq!(spans.iter().filter(|span| span.name == "poll orders").count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_recv_and_the_end_of_a_partition_are_no_spans() {
    let kafka = Kafka::new();
    let mut config = kafka.consumer_config();
    config.set("enable.partition.eof", "true");
    let consumer: StreamConsumer =
        StreamConsumer::create(&config, DefaultConsumerContext, &kafka.instrumentation).unwrap();
    assert!(consumer.recv().now_or_never().is_none());
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("orders", 0, Offset::Beginning).unwrap();
    consumer.assign(&assignment).unwrap();
    assert_eq!(consumer.recv().await.map(drop), Err(KafkaError::PartitionEOF(0)));
    kafka.telemetry.assert_spans([]);
    kafka.telemetry.assert_metrics([]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_receive_is_a_failed_span() {
    let kafka = Kafka::new();
    let mut config = kafka.consumer_config();
    config.set("auto.offset.reset", "error");
    let consumer: StreamConsumer =
        StreamConsumer::create(&config, DefaultConsumerContext, &kafka.instrumentation).unwrap();
    know_cluster(consumer.client());
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("orders", 0, Offset::Offset(100)).unwrap();
    consumer.assign(&assignment).unwrap();
    let error = consumer.recv().await.map(drop).expect_err("there is no such offset");
    let description: &'static str = error.to_string().leak();
    let attributes = kafka.attributes("poll", "receive", None);
    kafka.telemetry.assert_spans([span(format!("poll 127.0.0.1:{}", kafka.port()))
        .kind(SpanKind::Client)
        .attributes(attributes)
        .error("AutoOffsetReset", Some(description))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_receive_and_one_process_span_with_every_link() {
    let kafka = Kafka::new();
    produce(&kafka, "orders", 3).await;
    let consumer = kafka.consumer("orders");
    let batch = consumer.batches(3, PATIENCE).next().await.unwrap().unwrap();
    batch.process(async {}).await;
    consumer.commit_message(&batch[2], CommitMode::Sync).unwrap();
    let common = |operation, kind| {
        let mut attributes = kafka.attributes(operation, kind, Some("orders"));
        attributes.push((semconv::DESTINATION_PARTITION_ID, "0".into()));
        attributes.push((semconv::BATCH_MESSAGE_COUNT, 3.into()));
        attributes
    };
    let linked = |mut expected: ExpectedSpan| {
        for (label, offset) in [("send 0", 0), ("send 1", 1), ("send 2", 2)] {
            expected =
                expected.link_with(remote(label), [("messaging.kafka.offset", offset.into())]);
        }
        expected
    };
    kafka.telemetry.assert_spans([
        kafka.send("orders", 0, 0).label("send 0"),
        kafka.send("orders", 0, 1).label("send 1"),
        kafka.send("orders", 0, 2).label("send 2"),
        linked(span("poll orders").kind(SpanKind::Client).attributes(common("poll", "receive"))),
        linked(
            span("process orders")
                .label("process")
                .kind(SpanKind::Consumer)
                .attributes(common("process", "process")),
        ),
        span("commit orders")
            .kind(SpanKind::Client)
            .child_of("process")
            .attributes(at(&kafka, "commit", "settle", 2))
            .linked_to(remote("send 2")),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_lose_nothing_in_a_select() {
    const COUNT: usize = 300;
    let kafka = Kafka::with(|builder| builder.with_tracing(false));
    let producer = kafka.producer();
    let consumer = kafka.consumer("orders");
    let mut batches = consumer.batches(50, Duration::from_millis(100));
    let mut seen = Vec::new();
    let producing = async {
        for index in 0..COUNT {
            let payload = index.to_string();
            let record = FutureRecord::<str, str>::to("orders").payload(&payload);
            producer.send(record, PATIENCE).await.expect("it is delivered");
        }
    };
    let consuming = async {
        let mut heartbeat = tokio::time::interval(Duration::from_millis(7));
        while seen.len() < COUNT {
            tokio::select! {
                biased;
                _ = heartbeat.tick() => {}
                batch = batches.next() => {
                    let batch = batch.expect("it never ends").expect("no error");
                    assert!(!batch.is_empty() && batch.len() <= 50);
                    seen.extend(batch.iter().map(|message| payload(message).to_owned()));
                }
            }
        }
    };
    let both = async { tokio::join!(producing, consuming) };
    tokio::time::timeout(PATIENCE, both).await.expect("all come");
    let expected: Vec<_> = (0..COUNT).map(|index| index.to_string()).collect();
    assert_eq!(seen, expected, "each once, in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_does_not_wait_longer_than_asked() {
    let kafka = Kafka::new();
    produce(&kafka, "orders", 2).await;
    let consumer = kafka.consumer("orders");
    let mut batches = consumer.batches(1000, Duration::from_millis(300));
    let first = batches.next().await.unwrap().unwrap();
    assert!(!first.is_empty());
    // Nothing more comes: `next` waits, and what it has not got it cannot lose.
    let start = Instant::now();
    assert!(tokio::time::timeout(Duration::from_millis(400), batches.next()).await.is_err());
    assert!(start.elapsed() >= Duration::from_millis(400));
    assert!(batches.flush().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_the_middle_of_a_batch_loses_nothing() {
    let kafka = Kafka::new();
    produce(&kafka, "orders", 3).await;
    let mut config = kafka.consumer_config();
    config.set("enable.partition.eof", "true");
    let consumer: StreamConsumer =
        StreamConsumer::create(&config, DefaultConsumerContext, &kafka.instrumentation).unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("orders", 0, Offset::Beginning).unwrap();
    consumer.assign(&assignment).unwrap();
    let mut batches = consumer.batches(1000, PATIENCE);
    let batch = batches.next().await.unwrap().unwrap();
    assert_eq!(batch.len(), 3, "first what was there");
    let error = batches.next().await.unwrap().map(drop);
    assert_eq!(error, Err(KafkaError::PartitionEOF(0)), "then the error");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_collected_can_be_flushed() {
    let kafka = Kafka::new();
    produce(&kafka, "orders", 3).await;
    let consumer = kafka.consumer("orders");
    let mut batches = consumer.batches(1000, PATIENCE);
    let mut flushed = 0;
    while flushed < 3 {
        let wait = tokio::time::timeout(Duration::from_millis(50), batches.next());
        assert!(wait.await.is_err(), "the batch is not full");
        flushed += batches.flush().map_or(0, |batch| batch.len());
    }
    assert_eq!(flushed, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_over_partitions_has_them_on_its_links() {
    let kafka = Kafka::new();
    let producer = kafka.producer();
    for partition in [0, 1] {
        let record = FutureRecord::<str, str>::to("invoices").partition(partition).payload("x");
        producer.send(record, PATIENCE).await.unwrap();
    }
    let consumer = kafka.consumer("invoices");
    let batch = consumer.batches(2, PATIENCE).next().await.unwrap().unwrap();
    kafka.telemetry.wait_for(3);
    kafka.telemetry.clear();
    batch.process_sync(|| ());
    let spans = kafka.telemetry.spans();
    let on_span = |key: &str| spans[0].attributes.iter().any(|a| a.key.as_str() == key);
    assert!(!on_span(semconv::DESTINATION_PARTITION_ID));
    // Both records have the same offset, so that stands on the span.
    assert!(on_span("messaging.kafka.offset"));
    let mut partitions: Vec<_> = spans[0]
        .links
        .iter()
        .map(|link| link.attributes.iter().map(|a| a.value.to_string()).collect::<Vec<_>>())
        .collect();
    partitions.sort();
    assert_eq!(partitions, [["0"], ["1"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_iterator_of_messages_makes_a_batch() {
    let kafka = Kafka::with(|builder| builder.with_receive_spans(ReceiveSpans::Batches));
    produce(&kafka, "orders", 4).await;
    let consumer = kafka.consumer("orders");
    let messages: Vec<_> =
        consumer.stream().take(4).map(|message| message.unwrap().detach()).collect().await;
    let batch: Batch<OwnedMessage> = messages.into_iter().collect();
    tokio::spawn(async move {
        batch.process(async { Ok::<_, std::fmt::Error>(batch.len()) }).await.unwrap();
    })
    .await
    .unwrap();
    kafka.telemetry.wait_for(5);
    let spans = kafka.telemetry.spans();
    let process = spans.iter().find(|span| span.name == "process orders").unwrap();
    assert_eq!(process.links.len(), 4);
    assert!(!spans.iter().any(|span| span.name == "poll orders"));
}

#[tokio::test(flavor = "multi_thread")]
async fn processing_runs_under_spawn_on_many_threads() {
    let kafka = Kafka::new();
    produce(&kafka, "orders", 20).await;
    let consumer = Arc::new(kafka.consumer("orders"));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let consumer = Arc::clone(&consumer);
            tokio::spawn(async move {
                let order = consumer.recv().await.unwrap();
                let handled: Result<(), Box<dyn std::error::Error + Send + Sync>> = order
                    .process(async {
                        let before = Context::current().span().span_context().clone();
                        tokio::task::yield_now().await;
                        assert_eq!(Context::current().span().span_context(), &before);
                        Ok(())
                    })
                    .await;
                handled.unwrap();
                assert!(!Context::current().has_active_span(), "nothing leaks");
                order.detach()
            })
        })
        .collect();
    for task in tasks {
        let order = task.await.unwrap();
        // Later, elsewhere, by value.
        tokio::spawn(order.process_with(|order| async move { drop(order) })).await.unwrap();
    }
    let spans = kafka.telemetry.spans();
    assert_eq!(spans.iter().filter(|span| span.name == "process orders").count(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_handler_ends_the_span_and_unwinds() {
    let kafka = Kafka::new();
    produce(&kafka, "orders", 1).await;
    let consumer = kafka.consumer("orders");
    let order = consumer.recv().await.unwrap();
    let handler = order.process(async { panic!("the handler's own") });
    let result: Result<(), _> = AssertUnwindSafe(handler).catch_unwind().await;
    assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"the handler's own"));
    kafka.telemetry.assert_spans([
        kafka.send("orders", 0, 0).label("send"),
        poll(&kafka, 0).linked_to(remote("send")),
        process(&kafka, 0).linked_to(remote("send")).error("panic", None),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_message_keeps_its_creation_context() {
    let kafka = Kafka::new();
    produce(&kafka, "orders", 1).await;
    let consumer = kafka.consumer("orders");
    let borrowed = consumer.recv().await.unwrap();
    let owned = borrowed.detach();
    assert_eq!(owned.creation_context(), borrowed.creation_context());
    assert!(owned.creation_context().is_valid());
    let changed = owned
        .clone()
        .set_payload(Some(b"changed".to_vec()))
        .set_key(Some(b"key".to_vec()))
        .set_topic("elsewhere".to_owned())
        .set_partition(3)
        .set_offset(9)
        .set_timestamp(rdkafka::Timestamp::NotAvailable)
        .replace_headers(None);
    assert_eq!(changed.creation_context(), borrowed.creation_context());
    assert_eq!((changed.topic(), changed.partition(), changed.offset()), ("elsewhere", 3, 9));
    assert_eq!((payload(&changed), changed.key()), ("changed", Some(&b"key"[..])));
    assert!(changed.headers().is_none());
    let mut owned = owned;
    assert!(owned.detach_headers().is_some());
    assert_eq!(owned.into_inner().offset(), borrowed.into_inner().offset());
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_every_kind_are_settle_spans_and_stored_offsets_are_none() {
    let kafka = Kafka::new();
    produce(&kafka, "orders", 2).await;
    let mut config = kafka.consumer_config();
    config.set("enable.auto.offset.store", "false");
    let consumer: StreamConsumer =
        StreamConsumer::create(&config, DefaultConsumerContext, &kafka.instrumentation).unwrap();
    know_cluster(consumer.client());
    consumer.subscribe(&["orders"]).unwrap();
    let message = consumer.recv().await.unwrap();
    kafka.telemetry.clear();
    consumer.store_offset_from_message(&message).unwrap();
    consumer.store_offset("orders", 0, 0).unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset("orders", 0, Offset::Offset(1)).unwrap();
    consumer.store_offsets(&offsets).unwrap();
    kafka.telemetry.assert_spans([]);
    consumer.commit_consumer_state(CommitMode::Sync).unwrap();
    consumer.commit(&offsets, CommitMode::Sync).unwrap();
    // Through the trait it is the client's own message, whose headers are read once more.
    Consumer::commit_message(&consumer, &message, CommitMode::Async).unwrap();
    let carried = message.creation_context().span_context().clone();
    let state = kafka.attributes("commit", "settle", None);
    kafka.telemetry.assert_spans([
        span(format!("commit 127.0.0.1:{}", kafka.port())).kind(SpanKind::Client).attributes(state),
        span("commit orders").kind(SpanKind::Client).attributes(at(&kafka, "commit", "settle", 1)),
        span("commit orders")
            .kind(SpanKind::Client)
            .attributes(at(&kafka, "commit", "settle", 0))
            .linked_to(carried),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn poisoned_headers_are_passed_through() {
    let kafka = Kafka::new();
    let bare: rdkafka::bare::producer::FutureProducer = kafka.config().create().unwrap();
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut many = OwnedHeaders::new_with_capacity(100_001);
    for _ in 0..100_000 {
        many = many.insert(Header { key: "k", value: Some("v") });
    }
    let traced = |headers: OwnedHeaders| {
        headers.insert(Header { key: "traceparent", value: Some(traceparent) })
    };
    let cases = [
        (traced(with_invalid_name(OwnedHeaders::new())), true),
        (
            traced(
                OwnedHeaders::new().insert(Header { key: "big", value: Some(&vec![0; 900_000]) }),
            ),
            true,
        ),
        (many, false),
        (
            OwnedHeaders::new().insert(Header { key: "traceparent", value: Some(&[0xff; 55][..]) }),
            false,
        ),
        (
            OwnedHeaders::new().insert(Header { key: "traceparent", value: Some("00-garbage") }),
            false,
        ),
        (OwnedHeaders::new().insert(Header::<&str> { key: "traceparent", value: None }), false),
        (
            traced(OwnedHeaders::new().insert(Header { key: "traceparent", value: Some("old") })),
            true,
        ),
        (
            traced(
                OwnedHeaders::new()
                    .insert(Header { key: "tracestate", value: Some(&vec![b'='; 500_000]) }),
            ),
            true,
        ),
        (
            traced(
                OwnedHeaders::new()
                    .insert(Header { key: "baggage", value: Some(&vec![0xff; 500_000]) }),
            ),
            true,
        ),
    ];
    let count = cases.len();
    let mut valid = Vec::new();
    for (headers, is_valid) in cases {
        valid.push(is_valid);
        let record = FutureRecord::<str, str>::to("orders").payload("x").headers(headers);
        bare.send(record, PATIENCE).await.expect("the client takes it");
    }
    let consumer = kafka.consumer("orders");
    let producer = kafka.producer();
    let reader = kafka.consumer("invoices");
    for is_valid in valid {
        let message = consumer.recv().await.expect("it is handed over");
        assert_eq!(message.creation_context().is_valid(), is_valid, "{}", message.offset());
        message.process(async {}).await;
        // And forwarded with all of them, but for the context.
        let before = others(&message);
        let record = FutureRecord::<str, str>::to("invoices").partition(0).payload("x");
        let headers = message.detach().detach_headers().expect("it has headers");
        producer.send(record.headers(headers), PATIENCE).await.expect("it is forwarded");
        let forwarded = reader.recv().await.unwrap();
        assert!(others(&forwarded) == before, "headers of {} changed", message.offset());
    }
    let spans = kafka.telemetry.spans();
    assert_eq!(spans.iter().filter(|span| span.name == "process orders").count(), count);
}

fn others(message: &BorrowedMessage<'_>) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut headers = headers_of(message);
    headers.retain(|(name, _)| !matches!(&name[..], b"traceparent" | b"tracestate" | b"baggage"));
    headers
}

/// Code that knows the client's traits only.
fn position(consumer: &impl Consumer) -> usize {
    consumer.position().unwrap().count()
}

fn topic_of<M: Message>(message: &M) -> String {
    message.topic().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn generic_code_and_existing_consumers_keep_working() {
    let kafka = Kafka::new();
    produce(&kafka, "orders", 1).await;
    let bare: rdkafka::bare::consumer::StreamConsumer = kafka.consumer_config().create().unwrap();
    let consumer = StreamConsumer::new(bare, &kafka.instrumentation);
    consumer.subscribe(&["orders"]).unwrap();
    let message = consumer.recv().await.unwrap();
    assert_eq!(topic_of(&message), "orders");
    assert_eq!(topic_of(&message.detach()), "orders");
    assert_eq!(position(&consumer), 1);
    assert_eq!(message.as_received().creation_context(), message.creation_context());
    drop(message);
    assert_eq!(Arc::strong_count(&consumer.into_inner()), 1);
    let polled: BaseConsumer = kafka.consumer_config().create().unwrap();
    assert_eq!(position(&polled), 0);
    assert!(!polled.closed());
    polled.close_queue().unwrap();
    drop(polled.into_inner());
    let bare: rdkafka::bare::consumer::BaseConsumer = kafka.consumer_config().create().unwrap();
    let mut wrapped = BaseConsumer::from(bare);
    wrapped.set_nonempty_callback(|| ());
    let _: StreamConsumer = kafka.consumer_config().create().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_each_message_once() {
    use otel_messaging_testing::metrics::{counter, histogram};

    let kafka = Kafka::new();
    produce(&kafka, "orders", 3).await;
    let consumer = kafka.consumer("orders");
    let first = consumer.recv().await.unwrap();
    first.process(async {}).await;
    first.process(async { Err::<(), _>(std::fmt::Error) }).await.unwrap_err();
    let batch = consumer.batches(2, PATIENCE).next().await.unwrap().unwrap();
    batch.process(async {}).await;
    consumer.commit_message(&first, CommitMode::Sync).unwrap();
    let attributes = |operation, kind: Option<&'static str>| {
        let mut attributes = kafka.attributes(operation, kind.unwrap_or("process"), Some("orders"));
        attributes.retain(|(key, _)| match *key {
            semconv::CLIENT_ID | "messaging.kafka.cluster.id" | semconv::OPERATION_TYPE => false,
            semconv::CONSUMER_GROUP_NAME => operation != "send",
            _ => true,
        });
        attributes.push((semconv::DESTINATION_PARTITION_ID, "0".into()));
        attributes.extend(kind.map(|kind| (semconv::OPERATION_TYPE, kind.into())));
        attributes
    };
    let mut failed = attributes("process", None);
    failed.push((semconv::ERROR_TYPE, "core::fmt::Error".into()));
    let seconds = |name| {
        histogram(name).unit("s").boundaries(&semconv::DURATION_BOUNDARIES).scope(support::scope())
    };
    let messages = |name| counter(name).unit("{message}").scope(support::scope());
    kafka.telemetry.assert_metrics([
        seconds(semconv::CLIENT_OPERATION_DURATION)
            .point(3, attributes("send", Some("send")))
            .point(2, attributes("poll", Some("receive")))
            .point(1, attributes("commit", Some("settle"))),
        seconds(semconv::PROCESS_DURATION).point(2, attributes("process", None)).point(1, failed),
        messages(semconv::CLIENT_SENT_MESSAGES).point(3, {
            let mut sent = attributes("send", None);
            sent.retain(|(key, _)| *key != semconv::CONSUMER_GROUP_NAME);
            sent
        }),
        messages(semconv::CLIENT_CONSUMED_MESSAGES).point(3, attributes("poll", None)),
    ]);
    kafka.producer().flush(PATIENCE).unwrap();
}
