//! What only the asynchronous producer has. The rules that hold for every client are in
//! `conformance.rs`.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod support;

use std::time::{Duration, Instant};

use futures::FutureExt;
use opentelemetry::trace::SpanKind;
use otel_messaging_rdkafka as rdkafka;
use otel_messaging_testing::spans::{ExpectedSpan, remote, span};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    otel::{Operation, semconv},
    producer::{FutureProducer, FutureRecord, Producer},
    semconv as kafka,
};
use support::{Kafka, PATIENCE, durations, failed, payload, sent};

fn record(payload: &str) -> FutureRecord<'_, str, str> {
    FutureRecord::to("orders").payload(payload)
}

fn description(code: RDKafkaErrorCode) -> String {
    KafkaError::MessageProduction(code).to_string()
}

/// Applications often have one configuration for all their clients.
#[tokio::test(flavor = "multi_thread")]
async fn a_producer_is_in_no_consumer_group() {
    let kafka = Kafka::new();
    let producer = kafka.producer_with(&kafka.consumer_config());
    producer.send(record("one"), PATIENCE).await.expect("it is delivered");
    kafka.telemetry.assert_spans([kafka.send("orders", 0, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_an_id_has_the_name_that_the_library_gave_it() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.remove("client.id");
    let bare: rdkafka::bare::producer::FutureProducer = config.create().unwrap();
    let producer = FutureProducer::wrap(bare, &kafka.instrumentation);
    producer.send(record("x"), PATIENCE).await.unwrap();
    let spans = kafka.telemetry.spans();
    let id = spans[0].attributes.iter().find(|a| a.key.as_str() == semconv::CLIENT_ID).unwrap();
    // The library's default is the same for all clients of a process.
    assert!(id.value.as_str().starts_with("rdkafka#producer-"), "{id:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_span_ends_with_the_report_though_nothing_polls_the_future() {
    let kafka = Kafka::new();
    let producer = kafka.producer();
    let delivery = producer.send_result(record("one")).map_err(|(error, _)| error).unwrap();
    kafka.telemetry.wait_for(1);
    kafka.telemetry.assert_spans([kafka.send("orders", 0, 0)]);
    let delivery = delivery.await.expect("there is a report").expect("it is delivered");
    assert_eq!(delivery.offset, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_never_polled_does_nothing() {
    let kafka = Kafka::new();
    let producer = kafka.producer();
    drop(producer.send(record("x"), PATIENCE));
    producer.flush(PATIENCE).unwrap();
    kafka.telemetry.assert_spans([]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_cancelled_sends_are_delivered_and_end_once() {
    const COUNT: usize = 10_000;
    let kafka = Kafka::new();
    let producer = kafka.producer_with(kafka.config().set("linger.ms", "1000"));
    for _ in 0..COUNT {
        // Polled once, so that the client has the record, and dropped.
        assert!(producer.send(record("x"), PATIENCE).now_or_never().is_none());
    }
    kafka.telemetry.wait_for(COUNT);
    producer.flush(PATIENCE).expect("nothing is left");
    let spans = kafka.telemetry.spans();
    assert_eq!(spans.len(), COUNT, "each ended once");
    let offset = |attribute: &&opentelemetry::KeyValue| attribute.key.as_str() == kafka::OFFSET;
    let mut offsets: Vec<usize> = spans
        .iter()
        .map(|span| span.attributes.iter().find(offset).expect("it was delivered"))
        .map(|offset| offset.value.to_string().parse().unwrap())
        .collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..COUNT).collect::<Vec<_>>(), "each was delivered once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_waited_for_as_long_as_asked() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("queue.buffering.max.messages", "1").set("reconnect.backoff.max.ms", "100");
    let producer = kafka.producer_with(&config);
    kafka.cluster.broker_down(-1).unwrap();
    let first = producer.send_result(record("first")).map_err(|(error, _)| error).unwrap();
    let (start, timeout) = (Instant::now(), Duration::from_millis(150));
    let (error, message) = producer.send(record("second"), timeout).await.expect_err("no room");
    assert!(start.elapsed() >= timeout);
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull));
    assert_eq!(payload(&message), "second");
    assert!(message.creation_context().is_valid(), "it may be sent again");
    let full = kafka.span(kafka::SEND, Some("orders"));
    let full = full.error("QueueFull", Some(&description(RDKafkaErrorCode::QueueFull)));
    kafka.telemetry.assert_spans([full]);
    let labels = failed("QueueFull", kafka.labels(kafka::SEND, Some("orders")));
    kafka.telemetry.assert_metrics([durations([(1, labels)])]);

    kafka.telemetry.clear();
    let third = producer.send(record("third"), PATIENCE);
    let mut third = Box::pin(third);
    assert!((&mut third).now_or_never().is_none(), "there is no room yet");
    kafka.cluster.broker_up(-1).unwrap();
    assert_eq!(third.await.expect("there is room now").offset, 1);
    assert_eq!(first.await.unwrap().expect("it is delivered").offset, 0);
    kafka.telemetry.assert_spans([kafka.send("orders", 0, 0), kafka.send("orders", 0, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_producer_ends_what_it_had_not_delivered() {
    let kafka = Kafka::new();
    let producer = kafka.producer_with(kafka.config().set("linger.ms", "60000"));
    let delivery = producer.send_result(record("x")).map_err(|(error, _)| error).unwrap();
    drop(producer);
    let result = delivery.await.expect("there is a report");
    let (error, _) = result.expect_err("it was purged");
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PurgeQueue));
    let purged = kafka.span(kafka::SEND, Some("orders"));
    let purged = purged.error("PurgeQueue", Some(&description(RDKafkaErrorCode::PurgeQueue)));
    kafka.telemetry.assert_spans([purged]);
    let labels = || failed("PurgeQueue", kafka.labels(kafka::SEND, Some("orders")));
    kafka.telemetry.assert_metrics([sent([(1, labels())]), durations([(1, labels())])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_batch_ends_with_the_last_report() {
    let kafka = Kafka::new();
    let producer = kafka.producer_with(kafka.config().set("linger.ms", "1000"));
    let payloads: Vec<String> = (0..50).map(|i| i.to_string()).collect();
    let records = payloads.iter().map(|payload| record(payload));
    assert!(producer.send_batch(records, PATIENCE).now_or_never().is_none());
    let spans = kafka.telemetry.wait_for(51);
    let last = spans.last().unwrap();
    assert_eq!((&*last.name, last.links.len()), ("send orders", 50));
    let labels = || kafka.labels(kafka::SEND, Some("orders"));
    kafka.telemetry.assert_metrics([sent([(50, labels())]), durations([(1, labels())])]);
    let consumer = kafka.consumer("orders");
    for _ in 0..50 {
        consumer.recv().await.expect("nothing is lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_dropped_while_the_queue_is_full_reports_what_was_never_sent() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("queue.buffering.max.messages", "2").set("linger.ms", "1000");
    let producer = kafka.producer_with(&config);
    assert!(producer.send_batch(["a"; 0].map(record), PATIENCE).await.is_empty());
    kafka.telemetry.assert_spans([]);
    let records = ["a", "b", "c", "d", "e"].map(record);
    assert!(producer.send_batch(records, PATIENCE).now_or_never().is_none());
    kafka.telemetry.wait_for(6);
    let create = |label| kafka.span(Operation::CREATE, Some("orders")).label(label);
    let labels = ["a", "b", "c", "d", "e"];
    let batch = kafka.span(kafka::SEND, Some("orders")).kind(SpanKind::Client);
    let batch = batch.attributes([(semconv::BATCH_MESSAGE_COUNT, 5.into())]);
    let batch = labels.into_iter().fold(batch, ExpectedSpan::linked_to);
    let batch = [2, 3, 4].into_iter().fold(batch, |batch, index| {
        let message = format!("message {index} of the batch");
        let attributes =
            [("exception.type", "cancelled".into()), ("exception.message", message.into())];
        batch.event("exception", attributes)
    });
    let batch = batch.error("cancelled", Some("3 messages failed"));
    kafka.telemetry.assert_spans(labels.map(create).into_iter().chain([batch]));
    let labels = || kafka.labels(kafka::SEND, Some("orders"));
    let cancelled = failed("cancelled", labels());
    kafka.telemetry.assert_metrics([sent([(2, labels())]), durations([(1, cancelled)])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstones_are_marked() {
    let kafka = Kafka::new();
    let tombstone = FutureRecord::<str, str>::to("orders").key("seven");
    kafka.producer().send(tombstone, PATIENCE).await.unwrap();
    let consumer = kafka.consumer("orders");
    let message = consumer.recv().await.unwrap();
    consumer.commit_message(&message, CommitMode::Sync).unwrap();
    let marked = [(kafka::MESSAGE_TOMBSTONE, true.into())];
    let send = kafka.send("orders", 0, 0).attributes(marked.clone()).label("send");
    let link = || remote("send");
    kafka.telemetry.assert_spans([
        send,
        kafka.span_at(kafka::POLL, "orders", 0, 0).attributes(marked).linked_to(link()),
        kafka.span_at(kafka::COMMIT, "orders", 0, 0).linked_to(link()),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_pass_through_and_offsets_are_settled() {
    let kafka = Kafka::new();
    let producer = kafka.producer_with(kafka.config().set("transactional.id", "billing"));
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(record("x"), PATIENCE).await.unwrap();
    let consumer = kafka.consumer("orders");
    let message = consumer.recv().await.unwrap();
    let mut offsets = TopicPartitionList::new();
    let next = Offset::Offset(message.offset() + 1);
    offsets.add_partition_offset("orders", 0, next).unwrap();
    let group = consumer.group_metadata().expect("it has a group");
    kafka.telemetry.clear();
    producer.send_offsets_to_transaction(&offsets, &group, PATIENCE).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    producer.abort_transaction(PATIENCE).unwrap();
    // A producer knows no group.
    let mut attributes = kafka.attributes(kafka::COMMIT, Some("orders"));
    attributes.retain(|(key, _)| *key != semconv::CONSUMER_GROUP_NAME);
    attributes.push((semconv::DESTINATION_PARTITION_ID, "0".into()));
    attributes.push((kafka::OFFSET, 1.into()));
    kafka
        .telemetry
        .assert_spans([span("commit orders").kind(SpanKind::Client).attributes(attributes)]);
}
