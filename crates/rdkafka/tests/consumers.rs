//! What only Kafka's consumers have. The rules that hold for every client are in `conformance.rs`.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod support;

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use futures::{FutureExt, StreamExt};
use otel_messaging_rdkafka as rdkafka;
use otel_messaging_testing::spans::remote;
use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList, bare,
    bare::producer::Producer as _,
    consumer::{
        BaseConsumer, CommitMode, Consumer, ConsumerContext, DefaultConsumerContext, StreamConsumer,
    },
    error::{KafkaError, KafkaResult},
    message::{BorrowedMessage, OwnedMessage},
    otel::{Batch, Operation},
    producer::{BaseRecord, FutureRecord},
    semconv as kafka,
    util::Timeout,
};
use support::{
    Kafka, PATIENCE, consumed, durations, in_partition, know_cluster, payload, process_durations,
};

/// Sends so many records to the first partition of `orders`, without telemetry.
fn produce(config: &ClientConfig, count: usize) {
    let producer: bare::producer::BaseProducer = config.create().unwrap();
    for index in 0..count {
        let payload = index.to_string();
        let record = BaseRecord::<str, str>::to("orders").partition(0).payload(&payload);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// The first partition of `orders`, from this offset.
fn orders(offset: Offset) -> TopicPartitionList {
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("orders", 0, offset).unwrap();
    assignment
}

/// Makes a consumer of the first partition of `orders`.
fn assigned(kafka: &Kafka, config: &ClientConfig) -> StreamConsumer {
    let consumer: StreamConsumer =
        StreamConsumer::create(config, DefaultConsumerContext, &kafka.instrumentation).unwrap();
    know_cluster(consumer.client());
    consumer.assign(&orders(Offset::Beginning)).unwrap();
    consumer
}

/// Asserts that there is one receive span, which began with the call.
#[track_caller]
fn assert_back_dated(kafka: &Kafka, before: SystemTime, called: SystemTime) {
    let spans = kafka.telemetry.spans();
    let [span] = &spans[..] else { panic!("not one span: {spans:?}") };
    assert_eq!(span.name, "poll orders");
    assert!(before <= span.start_time && span.start_time <= called, "it began with the call");
    assert!(called <= span.end_time, "it ended with the message");
    kafka.telemetry.clear();
}

/// Sends a message while `receive` waits.
async fn back_dated<F: Future>(kafka: &Kafka, receive: F) -> F::Output {
    let mut receive = pin!(receive);
    let before = SystemTime::now();
    assert!(receive.as_mut().now_or_never().is_none(), "there was a message");
    let called = SystemTime::now();
    tokio::task::block_in_place(|| produce(&kafka.config(), 1));
    let received = receive.await;
    assert_back_dated(kafka, before, called);
    received
}

#[tokio::test(flavor = "multi_thread")]
async fn every_asynchronous_way_to_receive_is_back_dated_each_time() {
    let kafka = Kafka::new();
    let consumer = kafka.consumer("orders");
    // Until it is assigned partitions, the group's protocol wakes it.
    produce(&kafka.config(), 1);
    consumer.recv().await.unwrap();
    kafka.telemetry.clear();
    let offset = |message: KafkaResult<BorrowedMessage<'_>>| message.unwrap().offset();
    let mut messages = consumer.stream();
    let mut batches = consumer.batches(1, PATIENCE);
    for round in 0..2 {
        let first = 1 + 3 * round;
        assert_eq!(offset(back_dated(&kafka, consumer.recv()).await), first);
        assert_eq!(offset(back_dated(&kafka, messages.next()).await.unwrap()), first + 1);
        let batch = back_dated(&kafka, batches.next()).await.unwrap().unwrap();
        assert_eq!(batch[0].offset(), first + 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_queue_is_back_dated_each_time() {
    let kafka = Kafka::new();
    let consumer = Arc::new(assigned(&kafka, &kafka.consumer_config()));
    let queue = consumer.split_partition_queue("orders", 0).expect("it is assigned");
    let serve = tokio::spawn({
        let consumer = Arc::clone(&consumer);
        async move { consumer.recv().await.map(|message| message.detach()) }
    });
    let mut messages = queue.stream();
    let mut batches = queue.batches(1, PATIENCE);
    for round in 0..2 {
        let first = 3 * round;
        assert_eq!(back_dated(&kafka, queue.recv()).await.unwrap().offset(), first);
        let streamed = back_dated(&kafka, messages.next()).await.unwrap().unwrap();
        assert_eq!(streamed.offset(), first + 1);
        let batch = back_dated(&kafka, batches.next()).await.unwrap().unwrap();
        assert_eq!(batch[0].offset(), first + 2);
    }
    serve.abort();
}

/// Calls back, once, from within the next call that polls the consumer.
#[derive(Default)]
struct WhenPolled(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl ClientContext for WhenPolled {}

impl ConsumerContext for WhenPolled {
    fn main_queue_min_poll_interval(&self) -> Timeout {
        let callback = self.0.lock().unwrap().take();
        if let Some(callback) = callback {
            callback();
        }
        Timeout::After(Duration::from_secs(1))
    }
}

#[test]
fn every_blocking_way_to_receive_is_back_dated_each_time() {
    let kafka = Kafka::new();
    let create = || {
        let config = kafka.consumer_config();
        let context = WhenPolled::default();
        let consumer: BaseConsumer<WhenPolled> =
            BaseConsumer::create(&config, context, &kafka.instrumentation).unwrap();
        know_cluster(consumer.client());
        consumer
    };
    // Sends a message while `receive` waits.
    let back_dated = |consumer: &BaseConsumer<WhenPolled>, receive: &mut dyn FnMut() -> i64| {
        let called = Arc::new(Mutex::new(None));
        let callback = {
            let (config, called) = (kafka.config(), Arc::clone(&called));
            move || {
                *called.lock().unwrap() = Some(SystemTime::now());
                produce(&config, 1);
            }
        };
        *consumer.context().0.lock().unwrap() = Some(Box::new(callback));
        let before = SystemTime::now();
        let offset = receive();
        let called = called.lock().unwrap().expect("the consumer was polled");
        assert_back_dated(&kafka, before, called);
        offset
    };
    let consumer = create();
    consumer.assign(&orders(Offset::Beginning)).unwrap();
    let mut iter = consumer.iter();
    for round in 0..2 {
        let first = 3 * round;
        let mut poll = || consumer.poll(PATIENCE).unwrap().unwrap().offset();
        assert_eq!(back_dated(&consumer, &mut poll), first);
        let mut next = || iter.next().unwrap().unwrap().offset();
        assert_eq!(back_dated(&consumer, &mut next), first + 1);
        let mut into_iter = || (&consumer).into_iter().next().unwrap().unwrap().offset();
        assert_eq!(back_dated(&consumer, &mut into_iter), first + 2);
    }
    assert!(consumer.poll(Duration::ZERO).is_none());
    kafka.telemetry.assert_spans([]);

    let consumer = Arc::new(create());
    consumer.assign(&orders(Offset::Offset(6))).unwrap();
    let mut queue = consumer.split_partition_queue("orders", 0).expect("it is assigned");
    let (called, is_called) = std::sync::mpsc::channel();
    queue.set_nonempty_callback(move || called.send(()).unwrap_or_default());
    for offset in 6..8 {
        let mut poll = || queue.poll(PATIENCE).unwrap().unwrap().offset();
        assert_eq!(back_dated(&consumer, &mut poll), offset);
    }
    is_called.recv_timeout(PATIENCE).expect("the callback was called");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_partition_is_no_failure_and_ends_a_batch() {
    let kafka = Kafka::new();
    produce(&kafka.config(), 3);
    let mut config = kafka.consumer_config();
    let consumer = assigned(&kafka, config.set("enable.partition.eof", "true"));
    let mut batches = consumer.batches(1000, PATIENCE);
    let batch = batches.next().await.unwrap().unwrap();
    assert_eq!(batch.len(), 3, "the messages come first");
    let end = Err(KafkaError::PartitionEOF(0));
    assert_eq!(batches.next().await.unwrap().map(drop), end, "then the end");
    kafka.telemetry.clear();
    for _ in 0..2 {
        consumer.seek("orders", 0, Offset::End, PATIENCE).unwrap();
        assert_eq!(consumer.recv().await.map(drop), end);
        consumer.seek("orders", 0, Offset::End, PATIENCE).unwrap();
        assert_eq!(consumer.stream().next().await.unwrap().map(drop), end);
    }
    kafka.telemetry.assert_spans([]);
    let polled = in_partition(0, kafka.labels(kafka::POLL, Some("orders")));
    kafka.telemetry.assert_metrics([durations([(1, polled.clone())]), consumed([(3, polled)])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_fails_is_a_failed_receive() {
    let kafka = Kafka::new();
    let mut config = kafka.consumer_config();
    config.set("auto.offset.reset", "error");
    let consumer: StreamConsumer =
        StreamConsumer::create(&config, DefaultConsumerContext, &kafka.instrumentation).unwrap();
    know_cluster(consumer.client());
    consumer.assign(&orders(Offset::Offset(100))).unwrap();
    let error = consumer.batches(2, PATIENCE).next().await.unwrap().map(drop).expect_err("no such");
    let failed = kafka.span(kafka::POLL, None).error("AutoOffsetReset", Some(&error.to_string()));
    kafka.telemetry.assert_spans([failed]);
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
async fn a_batch_waits_as_long_as_asked_and_can_be_flushed() {
    let kafka = Kafka::new();
    produce(&kafka.config(), 2);
    let consumer = kafka.consumer("orders");
    let mut batches = consumer.batches(1000, Duration::from_millis(300));
    let mut received = 0;
    while received < 2 {
        received += batches.next().await.unwrap().unwrap().len();
    }
    drop(batches);
    produce(&kafka.config(), 3);
    let mut batches = consumer.batches(1000, PATIENCE);
    let mut flushed = 0;
    while flushed < 3 {
        assert!(batches.next().now_or_never().is_none(), "the batch is not full");
        flushed += batches.flush().map_or(0, |batch| batch.len());
        tokio::task::yield_now().await;
    }
    assert!(batches.flush().is_none());
}

/// Copies are the same message: consumed once, and settled below the span that processed any.
#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_message_share_its_history() {
    let kafka = Kafka::new();
    produce(&kafka.config(), 2);
    let consumer = kafka.consumer("orders");
    consumer.recv().await.unwrap();
    kafka.telemetry.clear();
    // Not received by an instrumented call, so that processing counts it.
    let bare = consumer.get_ref().recv().await.unwrap();
    let borrowed = BorrowedMessage::from_bare(bare, consumer.instrumenter());
    let detached = borrowed.detach();
    let copy = detached.clone();
    tokio::spawn(async move { copy.process(async {}).await }).await.unwrap();
    let first = kafka.telemetry.spans()[0].span_context.clone();
    detached.process_sync(|| ());
    borrowed.process(async {}).await;
    let again: Batch<OwnedMessage> = [detached.clone(), borrowed.detach()].into_iter().collect();
    again.process(async {}).await;
    kafka.telemetry.clear();
    consumer.commit_message(&borrowed, CommitMode::Sync).unwrap();
    let commit = kafka.span_at(kafka::COMMIT, "orders", 0, 1);
    kafka.telemetry.assert_spans([commit.child_of(first)]);
    let labels = |operation| in_partition(0, kafka.labels(operation, Some("orders")));
    kafka.telemetry.assert_metrics([
        consumed([(1, labels(kafka::POLL)), (1, labels(Operation::PROCESS))]),
        process_durations([(4, labels(Operation::PROCESS))]),
        durations([(1, labels(kafka::POLL)), (1, labels(kafka::COMMIT))]),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_message_keeps_its_creation_context() {
    let kafka = Kafka::new();
    let record = FutureRecord::<str, str>::to("orders").payload("x");
    kafka.producer().send(record, PATIENCE).await.unwrap();
    let consumer = kafka.consumer("orders");
    let borrowed = consumer.recv().await.unwrap();
    let mut owned = borrowed.detach();
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
    assert!(owned.detach_headers().is_some());
    assert_eq!(owned.into_inner().offset(), borrowed.into_inner().offset());
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_every_kind_are_settled_and_stored_offsets_are_not() {
    let kafka = Kafka::new();
    let record = FutureRecord::<str, str>::to("orders").payload("x");
    kafka.producer().send(record, PATIENCE).await.unwrap();
    let mut config = kafka.consumer_config();
    config.set("enable.auto.offset.store", "false");
    let consumer = kafka.consumer_with(&config, "orders");
    let message = consumer.recv().await.unwrap();
    kafka.telemetry.clear();
    consumer.store_offset_from_message(&message).unwrap();
    consumer.store_offset("orders", 0, 0).unwrap();
    consumer.store_offsets(&orders(Offset::Offset(1))).unwrap();
    kafka.telemetry.assert_spans([]);
    consumer.commit_consumer_state(CommitMode::Sync).unwrap();
    consumer.commit(&orders(Offset::Offset(1)), CommitMode::Sync).unwrap();
    // Through the trait it is the client's own message, whose headers are read once more.
    Consumer::commit_message(&consumer, &message, CommitMode::Async).unwrap();
    let carried = message.creation_context().span_context();
    kafka.telemetry.assert_spans([
        kafka.span(kafka::COMMIT, None),
        kafka.span_at(kafka::COMMIT, "orders", 0, 1),
        kafka.span_at(kafka::COMMIT, "orders", 0, 0).linked_to(remote(carried)),
    ]);
}

/// What the offsets of one commit have in common is on the span.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_several_topics_is_named_after_none() {
    let kafka = Kafka::new();
    produce(&kafka.config(), 1);
    let consumer = kafka.consumer("orders");
    consumer.recv().await.unwrap();
    kafka.telemetry.clear();
    let commit = |places: &[(&str, i32)]| {
        let mut offsets = TopicPartitionList::new();
        for (topic, partition) in places {
            offsets.add_partition_offset(topic, *partition, Offset::Offset(0)).unwrap();
        }
        // The cluster need not take it: the span is the same, but for its error.
        let _ = consumer.commit(&offsets, CommitMode::Async);
    };
    commit(&[("orders", 0), ("invoices", 0), ("invoices", 1)]);
    commit(&[("invoices", 0), ("orders", 0)]);
    commit(&[("invoices", 0), ("invoices", 1)]);
    commit(&[("invoices", 1)]);
    commit(&[]);
    kafka.telemetry.assert_spans([
        kafka.span(kafka::COMMIT, None),
        kafka.span(kafka::COMMIT, None),
        kafka.span(kafka::COMMIT, Some("invoices")),
        kafka.span_at(kafka::COMMIT, "invoices", 1, 0),
        kafka.span(kafka::COMMIT, None),
    ]);
}
