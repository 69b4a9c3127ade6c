//! Producers: spans that end with the delivery report, and records that arrive as they were sent.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod support;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::join_all, stream::FuturesUnordered};
use opentelemetry::trace::{SpanKind, TraceContextExt, Tracer};
use otel_messaging_rdkafka as rdkafka;
use otel_messaging_testing::{
    metrics::{counter, histogram},
    spans::span,
};
use rdkafka::{
    ClientConfig, ClientContext, Message,
    client::DefaultClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    mocking::MockCluster,
    otel::{CreationContext, ExistingContext, Instrumentation},
    producer::{
        BaseProducer, BaseRecord, DefaultProducerContext, FutureProducer, FutureRecord,
        NoCustomPartitioner, Partitioner, Producer, ProducerContext, ThreadedProducer,
    },
    types::RDKafkaRespErr,
};
use support::{Kafka, PATIENCE, headers_of, know_cluster, named, payload};

fn record(payload: &str) -> FutureRecord<'_, str, str> {
    FutureRecord::to("orders").payload(payload)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_ends_with_partition_and_offset_of_the_report() {
    let kafka = Kafka::new();
    let producer = kafka.producer();
    let delivery = producer.send(record("one"), PATIENCE).await.expect("it is delivered");
    assert_eq!((delivery.partition, delivery.offset), (0, 0));
    kafka.telemetry.wait_for(1);
    kafka.telemetry.assert_spans([kafka.send("orders", 0, 0).root()]);
}

/// Applications often have one configuration for all their clients.
#[tokio::test(flavor = "multi_thread")]
async fn a_producer_is_in_no_consumer_group() {
    let kafka = Kafka::new();
    let producer = kafka.producer_with(&kafka.consumer_config());
    producer.send(record("one"), PATIENCE).await.expect("it is delivered");
    kafka.telemetry.wait_for(1);
    kafka.telemetry.assert_spans([kafka.send("orders", 0, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_future_may_wait_long_after_the_report() {
    let kafka = Kafka::new();
    let producer = kafka.producer();
    let delivery = producer.send_result(record("one")).map_err(|(error, _)| error).unwrap();
    // The span ends with the report, though nobody has polled the future yet.
    kafka.telemetry.wait_for(1);
    kafka.telemetry.assert_spans([kafka.send("orders", 0, 0)]);
    let delivery = delivery.await.expect("there is a report").expect("it is delivered");
    assert_eq!(delivery.offset, 0);
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
    let mut offsets: Vec<_> = spans
        .iter()
        .map(|span| {
            let offset =
                span.attributes.iter().find(|a| a.key.as_str() == "messaging.kafka.offset");
            offset.expect("it was delivered").value.clone().to_string().parse::<usize>().unwrap()
        })
        .collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..COUNT).collect::<Vec<_>>(), "each was delivered once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_never_polled_is_nothing() {
    let kafka = Kafka::new();
    let producer = kafka.producer();
    drop(producer.send(record("x"), PATIENCE));
    producer.flush(PATIENCE).unwrap();
    kafka.telemetry.assert_spans([]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_dropped_while_the_queue_is_full_is_cancelled() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("queue.buffering.max.messages", "1").set("linger.ms", "60000");
    let producer = kafka.producer_with(&config);
    let first = producer.send_result(record("first")).map_err(|(error, _)| error).unwrap();
    let mut second = Box::pin(producer.send(record("second"), PATIENCE));
    assert!((&mut second).now_or_never().is_none(), "there is no room");
    drop(second);
    kafka.telemetry.wait_for(1);
    let cancelled = span("send orders")
        .kind(SpanKind::Producer)
        .attributes(kafka.attributes("send", "send", Some("orders")))
        .error("cancelled", None);
    kafka.telemetry.assert_spans([cancelled]);
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_after_a_full_queue_leave_one_traceparent() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("queue.buffering.max.messages", "1").set("linger.ms", "100");
    let producer = kafka.base_producer::<_, NoCustomPartitioner>(&config, DefaultProducerContext);
    let headers = OwnedHeaders::new().insert(Header { key: "user", value: Some("kept") });
    producer.send(BaseRecord::<str, str>::to("orders").payload("first")).unwrap();
    let mut next = BaseRecord::<str, str>::to("orders").payload("second").headers(headers);
    let mut refused = 0;
    loop {
        match producer.send(next) {
            Ok(()) => break,
            Err((error, record)) => {
                assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull));
                refused += 1;
                next = record;
                producer.poll(Duration::from_millis(10));
            }
        }
    }
    assert!(refused > 1, "it was tried more than once");
    producer.flush(PATIENCE).unwrap();
    let consumer = kafka.consumer("orders");
    consumer.recv().await.unwrap();
    let second = consumer.recv().await.unwrap();
    assert_eq!(payload(&second), "second");
    let headers = headers_of(&second);
    assert_eq!(named(&headers, "traceparent").len(), 1);
    assert_eq!(named(&headers, "user"), [Some(&b"kept"[..])]);
    assert_eq!(headers.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_gives_up_after_its_timeout() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("queue.buffering.max.messages", "1").set("linger.ms", "60000");
    let producer = kafka.producer_with(&config);
    let first = producer.send_result(record("first")).map_err(|(error, _)| error).unwrap();
    let (error, message) =
        producer.send(record("second"), Duration::from_millis(150)).await.expect_err("no room");
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull));
    assert_eq!(payload(&message), "second");
    assert!(message.creation_context().is_valid(), "it may be sent again");
    kafka.telemetry.wait_for(1);
    let description = "Message production error: QueueFull (Local: Queue full)";
    let full = span("send orders")
        .kind(SpanKind::Producer)
        .attributes(kafka.attributes("send", "send", Some("orders")))
        .error("QueueFull", Some(description));
    kafka.telemetry.assert_spans([full]);
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_delivery_is_told_by_the_report() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("retries", "0");
    let producer = kafka.producer_with(&config);
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED];
    kafka.cluster.request_errors(rdkafka::types::RDKafkaApiKey::Produce, &refused);
    let (error, message) = producer.send(record("x"), PATIENCE).await.expect_err("it is refused");
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::TopicAuthorizationFailed));
    assert_eq!(payload(&message), "x");
    kafka.telemetry.wait_for(1);
    let description =
        "Message production error: TopicAuthorizationFailed (Broker: Topic authorization failed)";
    kafka.telemetry.assert_spans([span("send orders")
        .kind(SpanKind::Producer)
        .attributes(kafka.attributes("send", "send", Some("orders")))
        .error("TopicAuthorizationFailed", Some(description))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_producer_ends_what_it_had_not_delivered() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("linger.ms", "60000");
    let producer = kafka.producer_with(&config);
    let delivery = producer.send_result(record("x")).map_err(|(error, _)| error).unwrap();
    drop(producer);
    let result = delivery.await.expect("there is a report");
    let (error, _) = result.expect_err("it was purged");
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PurgeQueue));
    kafka.telemetry.wait_for(1);
    assert_eq!(kafka.telemetry.spans().len(), 1);
}

/// What a user's context has been told.
#[derive(Default)]
struct Reports {
    opaques: Mutex<Vec<u32>>,
    errors: AtomicUsize,
}

impl ClientContext for Reports {
    fn error(&self, _: KafkaError, _: &str) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<u32>;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: Box<u32>) {
        assert!(result.is_ok());
        self.opaques.lock().unwrap().push(*opaque);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fire_and_forget_producers_keep_the_users_context_and_opaques() {
    let kafka = Kafka::new();
    let config = kafka.config();
    let base = kafka.base_producer::<_, NoCustomPartitioner>(&config, Reports::default());
    base.send(BaseRecord::<str, str, _>::with_opaque_to("orders", Box::new(7)).payload("a"))
        .map_err(|(error, _)| error)
        .unwrap();
    base.flush(PATIENCE).unwrap();
    assert_eq!(*base.context().opaques.lock().unwrap(), [7]);
    let threaded =
        ThreadedProducer::create(&config, Reports::default(), &kafka.instrumentation).unwrap();
    know_cluster(threaded.client());
    threaded
        .send(BaseRecord::<str, str, _>::with_opaque_to("orders", Box::new(8)).payload("b"))
        .map_err(|(error, _)| error)
        .unwrap();
    threaded.flush(PATIENCE).unwrap();
    kafka.telemetry.wait_for(2);
    assert_eq!(*threaded.context().opaques.lock().unwrap(), [8]);
    kafka.telemetry.assert_spans([kafka.send("orders", 0, 0), kafka.send("orders", 0, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_comes_back_with_its_opaque() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("message.max.bytes", "1000");
    let producer = kafka.base_producer::<_, NoCustomPartitioner>(&config, Reports::default());
    let large = "x".repeat(2000);
    let record = BaseRecord::<str, str, _>::with_opaque_to("orders", Box::new(7)).payload(&large);
    let (error, record) = producer.send(record).expect_err("it is too large");
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::MessageSizeTooLarge));
    assert_eq!(*record.delivery_opaque, 7);
    assert!(record.headers.is_none(), "as the user gave it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_just_fits_is_sent_without_context() {
    let kafka = Kafka::new();
    let bare: rdkafka::bare::producer::FutureProducer = {
        let mut config = kafka.config();
        config.set("message.max.bytes", "1000");
        config.create().unwrap()
    };
    // The largest payload that the client takes without our headers.
    let mut size = 1000;
    loop {
        let payload = "x".repeat(size);
        let record = FutureRecord::<str, str>::to("orders").payload(&payload);
        match bare.send_result(record) {
            Ok(_) => break,
            Err(_) => size -= 1,
        }
    }
    let producer = FutureProducer::new(bare, &kafka.instrumentation);
    let payload = "x".repeat(size);
    producer.send(record(&payload), PATIENCE).await.expect("it fits as it would without us");
    kafka.telemetry.wait_for(1);
    let consumer = kafka.consumer("orders");
    consumer.recv().await.unwrap();
    let message = consumer.recv().await.unwrap();
    assert_eq!(headers_of(&message), []);
}

struct Always(i32);

impl Partitioner for Always {
    fn partition(&self, _: &str, _: Option<&[u8]>, _: i32, _: impl Fn(i32) -> bool) -> i32 {
        self.0
    }
}

struct Partitioned(Always);

impl ClientContext for Partitioned {}

impl ProducerContext<Always> for Partitioned {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}

    fn get_custom_partitioner(&self) -> Option<&Always> {
        Some(&self.0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_partitioner_is_kept() {
    let kafka = Kafka::new();
    let context = Partitioned(Always(1));
    let mut config = kafka.config();
    // The client crashes at a partitioner unless some property of a topic is set too.
    config.set("acks", "all");
    let producer = kafka.base_producer::<_, Always>(&config, context);
    for _ in 0..3 {
        producer
            .send(BaseRecord::<str, str>::to("invoices").key("k").payload("x"))
            .map_err(|e| e.0)
            .unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    kafka.telemetry.assert_spans((0..3).map(|offset| kafka.send("invoices", 1, offset)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_header_survives_a_send_and_a_forward() {
    let kafka = Kafka::new();
    let producer = kafka.producer();
    let headers = OwnedHeaders::new()
        .insert(Header { key: "a", value: Some(&b"\xff\x00binary"[..]) })
        .insert(Header::<&[u8]> { key: "null", value: None })
        .insert(Header { key: "a", value: Some(&b"again"[..]) })
        .insert(Header { key: "empty", value: Some(&b""[..]) })
        .insert(Header { key: "", value: Some(&b"no name"[..]) });
    let users: Vec<(Vec<u8>, Option<Vec<u8>>)> = [
        (&b"a"[..], Some(&b"\xff\x00binary"[..])),
        (b"null", None),
        (b"a", Some(b"again")),
        (b"empty", Some(b"")),
        (b"", Some(b"no name")),
    ]
    .map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)))
    .to_vec();
    producer.send(record("x").headers(headers), PATIENCE).await.unwrap();
    let consumer = kafka.consumer("orders");
    for hop in 0..5 {
        let message = consumer.recv().await.unwrap();
        let found = headers_of(&message);
        let (context, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(name, _)| name == b"traceparent");
        assert_eq!(context.len(), 1, "hop {hop}");
        assert_eq!(others, users, "hop {hop}");
        // Forwarded as it came, with all its headers.
        let message = message.detach();
        let headers = message.headers().cloned().expect("it has headers");
        producer.send(record("x").headers(headers), PATIENCE).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forward_links_to_the_context_it_replaces() {
    let kafka = Kafka::new();
    let producer = kafka.producer();
    producer.send(record("x"), PATIENCE).await.unwrap();
    kafka.telemetry.wait_for(1);
    let consumer = kafka.consumer("orders");
    let message = consumer.recv().await.unwrap().detach();
    kafka.telemetry.wait_for(2);
    let record = FutureRecord::<str, [u8]>::to("invoices")
        .partition(0)
        .headers(message.headers().cloned().unwrap());
    let record = FutureRecord { payload: message.payload(), ..record };
    producer.send(record, PATIENCE).await.unwrap();
    kafka.telemetry.wait_for(3);
    let spans = kafka.telemetry.spans();
    let (send, forward) = (&spans[0], &spans[2]);
    assert_eq!(forward.links.len(), 1);
    assert_eq!(forward.links[0].span_context.span_id(), send.span_context.span_id());
    assert_eq!(forward.links[0].span_context.trace_id(), send.span_context.trace_id());
    assert_eq!(forward.span_kind, SpanKind::Producer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_creation_context_is_kept() {
    let kafka = Kafka::new();
    let tracer = kafka.telemetry.tracer();
    let creation = tracer.in_span("earlier", |context| CreationContext::from_context(&context));
    kafka.producer().send_created(record("x"), &creation, PATIENCE).await.expect("it is delivered");
    let base =
        kafka.base_producer::<_, NoCustomPartitioner>(&kafka.config(), DefaultProducerContext);
    base.send_created(BaseRecord::<str, str>::to("orders").payload("y"), &creation).unwrap();
    base.flush(PATIENCE).unwrap();
    kafka.telemetry.wait_for(3);
    kafka.telemetry.assert_spans([
        span("earlier").label("earlier"),
        kafka.send("orders", 0, 0).kind(SpanKind::Client).linked_to("earlier"),
        kafka.send("orders", 0, 1).kind(SpanKind::Client).linked_to("earlier"),
    ]);
    let consumer = kafka.consumer("orders");
    for _ in 0..2 {
        let message = consumer.recv().await.unwrap();
        let carried = message.creation_context().span_context();
        assert_eq!(carried.span_id(), creation.span_context().span_id());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_that_are_there_may_be_kept() {
    let kafka = Kafka::with(|builder| builder.with_existing_context(ExistingContext::Keep));
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers =
        OwnedHeaders::new().insert(Header { key: "traceparent", value: Some(traceparent) });
    kafka.producer().send(record("x").headers(headers), PATIENCE).await.unwrap();
    kafka.telemetry.wait_for(1);
    let consumer = kafka.consumer("orders");
    let message = consumer.recv().await.unwrap();
    assert_eq!(named(&headers_of(&message), "traceparent"), [Some(traceparent.as_bytes())]);
    let existing = message.creation_context().span_context().clone();
    let spans = kafka.telemetry.spans();
    assert_eq!(spans[0].span_kind, SpanKind::Client);
    assert_eq!(spans[0].links.len(), 1);
    assert_eq!(spans[0].links[0].span_context, existing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_create_spans_and_one_send_span() {
    let kafka = Kafka::new();
    let tracer = kafka.telemetry.tracer();
    let producer = kafka.producer();
    let request = opentelemetry::Context::new().with_span(tracer.start("request"));
    let results = {
        use opentelemetry::context::FutureExt;
        let records = ["a", "b"].map(|payload| record(payload).partition(0));
        producer.send_batch(records, PATIENCE).with_context(request.clone()).await
    };
    request.span().end();
    let offsets: Vec<_> = results.into_iter().map(|result| result.unwrap().offset).collect();
    assert_eq!(offsets, [0, 1]);
    kafka.telemetry.wait_for(4);
    let partition = (rdkafka::otel::semconv::DESTINATION_PARTITION_ID, "0".into());
    let create = |label| {
        let mut attributes = kafka.attributes("create", "create", Some("orders"));
        attributes.push(partition.clone());
        span("create orders")
            .label(label)
            .kind(SpanKind::Producer)
            .child_of("request")
            .attributes(attributes)
    };
    let mut attributes = kafka.attributes("send", "send", Some("orders"));
    attributes.push(partition.clone());
    attributes.push(("messaging.batch.message_count", 2.into()));
    kafka.telemetry.assert_spans([
        span("request").label("request"),
        create("a"),
        create("b"),
        span("send orders")
            .kind(SpanKind::Client)
            .child_of("request")
            .attributes(attributes)
            .linked_to("a")
            .linked_to("b"),
    ]);
    let consumer = kafka.consumer("orders");
    let created = kafka.telemetry.spans();
    for _ in 0..2 {
        let message = consumer.recv().await.unwrap();
        let carried = message.creation_context().span_context().span_id();
        let creator = created.iter().find(|span| span.span_context.span_id() == carried);
        assert_eq!(creator.expect("a span made it").name, "create orders");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_batch_ends_with_the_last_report() {
    let kafka = Kafka::new();
    let producer = kafka.producer_with(kafka.config().set("linger.ms", "1000"));
    let payloads: Vec<String> = (0..50).map(|i| i.to_string()).collect();
    let records = payloads.iter().map(|payload| record(payload));
    assert!(producer.send_batch(records, PATIENCE).now_or_never().is_none());
    kafka.telemetry.wait_for(51);
    producer.flush(PATIENCE).unwrap();
    let spans = kafka.telemetry.spans();
    let last = spans.last().unwrap();
    assert_eq!((&*last.name, last.links.len()), ("send orders", 50));
    assert_eq!(last.status, opentelemetry::trace::Status::Unset);
    let consumer = kafka.consumer("orders");
    for _ in 0..50 {
        consumer.recv().await.expect("nothing is lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_dropped_while_the_queue_is_full_tells_what_was_never_sent() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("queue.buffering.max.messages", "2").set("linger.ms", "1000");
    let producer = kafka.producer_with(&config);
    assert!(producer.send_batch(["a"; 0].map(record), PATIENCE).await.is_empty());
    kafka.telemetry.assert_spans([]);
    let records = ["a", "b", "c", "d", "e"].map(record);
    assert!(producer.send_batch(records, PATIENCE).now_or_never().is_none());
    kafka.telemetry.wait_for(6);
    let spans = kafka.telemetry.spans();
    let send = spans.iter().find(|span| span.name == "send orders").unwrap();
    assert_eq!(send.status, opentelemetry::trace::Status::error("3 messages failed"));
    let mut attributes = kafka.attributes("send", "send", Some("orders"));
    attributes.retain(|(key, _)| {
        *key != "messaging.client.id"
            && *key != "messaging.kafka.cluster.id"
            && *key != rdkafka::otel::semconv::OPERATION_TYPE
    });
    let mut duration = attributes.clone();
    duration.push((rdkafka::otel::semconv::OPERATION_TYPE, "send".into()));
    duration.push(("error.type", "cancelled".into()));
    kafka.telemetry.assert_metrics([
        counter("messaging.client.sent.messages")
            .unit("{message}")
            .scope(support::scope())
            .point(2, attributes),
        histogram("messaging.client.operation.duration")
            .unit("s")
            .boundaries(&rdkafka::otel::semconv::DURATION_BOUNDARIES)
            .scope(support::scope())
            .point(1, duration),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_says_which_of_its_records_failed() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("message.max.bytes", "1000");
    let producer = kafka.producer_with(&config);
    let large = "x".repeat(2000);
    let records = ["a", &large, "c"].map(record);
    let results = producer.send_batch(records, PATIENCE).await;
    let delivered: Vec<_> = results.iter().map(Result::is_ok).collect();
    assert_eq!(delivered, [true, false, true]);
    kafka.telemetry.wait_for(4);
    let spans = kafka.telemetry.spans();
    let send = spans.iter().find(|span| span.name == "send orders").unwrap();
    assert_eq!(send.events.len(), 1);
    assert_eq!(send.status, opentelemetry::trace::Status::error("1 messages failed"));
    let mut attributes = kafka.attributes("send", "send", Some("orders"));
    attributes.retain(|(key, _)| {
        *key != "messaging.client.id"
            && *key != "messaging.kafka.cluster.id"
            && *key != rdkafka::otel::semconv::OPERATION_TYPE
    });
    let mut duration = attributes.clone();
    duration.push((rdkafka::otel::semconv::OPERATION_TYPE, "send".into()));
    duration.push(("error.type", "MessageSizeTooLarge".into()));
    kafka.telemetry.assert_metrics([
        counter("messaging.client.sent.messages")
            .unit("{message}")
            .scope(support::scope())
            .point(2, attributes),
        histogram("messaging.client.operation.duration")
            .unit("s")
            .boundaries(&rdkafka::otel::semconv::DURATION_BOUNDARIES)
            .scope(support::scope())
            .point(1, duration),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstones_and_keys_are_told_as_asked() {
    let kafka = Kafka::with(|builder| builder.with_message_keys(true).with_message_sizes(true));
    let producer = kafka.producer();
    producer.send(FutureRecord::<str, str>::to("orders").key("seven"), PATIENCE).await.unwrap();
    producer
        .send(FutureRecord::<[u8], str>::to("orders").key(&[0xff][..]).payload("abc"), PATIENCE)
        .await
        .unwrap();
    kafka.telemetry.wait_for(2);
    let attributes = |offset: i64| {
        let mut attributes = kafka.attributes("send", "send", Some("orders"));
        attributes.push((rdkafka::otel::semconv::DESTINATION_PARTITION_ID, "0".into()));
        attributes.push(("messaging.kafka.offset", offset.into()));
        attributes
    };
    let mut tombstone = attributes(0);
    tombstone.push(("messaging.kafka.message.tombstone", true.into()));
    tombstone.push(("messaging.kafka.message.key", "seven".into()));
    tombstone.push(("messaging.message.envelope.size", 5.into()));
    let mut binary = attributes(1);
    binary.push(("messaging.message.body.size", 3.into()));
    binary.push(("messaging.message.envelope.size", 4.into()));
    kafka.telemetry.assert_spans([
        span("send orders").kind(SpanKind::Producer).attributes(tombstone),
        span("send orders").kind(SpanKind::Producer).attributes(binary),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_producer_is_wrapped() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.remove("client.id");
    let bare: rdkafka::bare::producer::FutureProducer = config.create().unwrap();
    let producer = FutureProducer::new(bare, &kafka.instrumentation);
    producer.send(record("x"), PATIENCE).await.unwrap();
    kafka.telemetry.wait_for(1);
    let spans = kafka.telemetry.spans();
    let id = spans[0].attributes.iter().find(|a| a.key.as_str() == "messaging.client.id").unwrap();
    // librdkafka's default is the same for all clients of a process, so its own name is used.
    assert!(id.value.as_str().starts_with("rdkafka#producer-"), "{id:?}");
    let bare = producer.into_inner();
    drop(FutureProducer::from(bare));
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_and_suppressed_producers_leave_records_alone() {
    let kafka = Kafka::new();
    let off: FutureProducer =
        FutureProducer::create(&kafka.config(), DefaultClientContext, &Instrumentation::disabled())
            .unwrap();
    off.send(record("off"), PATIENCE).await.unwrap();
    let producer = kafka.producer();
    {
        use opentelemetry::context::FutureExt;
        let suppressed = opentelemetry::Context::new().with_telemetry_suppressed();
        producer.send(record("suppressed"), PATIENCE).with_context(suppressed).await.unwrap();
    }
    let consumer = kafka.consumer("orders");
    for _ in 0..2 {
        assert_eq!(headers_of(&consumer.recv().await.unwrap()), []);
    }
    kafka.telemetry.wait_for(2);
    assert!(kafka.telemetry.spans().iter().all(|span| span.name == "poll orders"));
}

#[tokio::test(flavor = "multi_thread")]
async fn config_create_is_unchanged_and_sends_run_anywhere() {
    let cluster = MockCluster::new(1).unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    let producer: FutureProducer = config.create().unwrap();
    let _: BaseProducer = config.create().unwrap();
    let _: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
    let _: BaseProducer<Reports> = config.create_with_context(Reports::default()).unwrap();
    let sends = (0..100).map(|i| {
        let producer = producer.clone();
        tokio::spawn(async move {
            let payload = i.to_string();
            producer.send(record(&payload), PATIENCE).await.map(drop).map_err(|(error, _)| error)
        })
    });
    for sent in join_all(sends).await {
        sent.expect("no panic").expect("delivered");
    }
    let mut unordered: FuturesUnordered<_> =
        (0..10).map(|_| producer.send(record("x"), PATIENCE)).collect();
    while let Some(sent) = unordered.next().await {
        sent.expect("delivered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_pass_through_and_offsets_are_settled() {
    use rdkafka::consumer::Consumer;

    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("transactional.id", "billing");
    let producer = kafka.producer_with(&config);
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(record("x"), PATIENCE).await.unwrap();
    let consumer = kafka.consumer("orders");
    let message = consumer.recv().await.unwrap();
    let mut offsets = rdkafka::TopicPartitionList::new();
    let next = rdkafka::Offset::Offset(message.offset() + 1);
    offsets.add_partition_offset("orders", 0, next).unwrap();
    let group = consumer.group_metadata().expect("it has a group");
    kafka.telemetry.wait_for(2);
    kafka.telemetry.clear();
    producer.send_offsets_to_transaction(&offsets, &group, PATIENCE).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    producer.abort_transaction(PATIENCE).unwrap();
    kafka.telemetry.wait_for(1);
    let mut attributes = kafka.attributes("commit", "settle", Some("orders"));
    attributes.retain(|(key, _)| *key != "messaging.consumer.group.name");
    attributes.push((rdkafka::otel::semconv::DESTINATION_PARTITION_ID, "0".into()));
    attributes.push(("messaging.kafka.offset", 1.into()));
    kafka
        .telemetry
        .assert_spans([span("commit orders").kind(SpanKind::Client).attributes(attributes)]);
}
