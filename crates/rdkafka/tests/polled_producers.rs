//! What only the producers have that hand records over without waiting.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod support;

use std::sync::{Arc, Mutex};

use opentelemetry::trace::{SpanKind, Tracer};
use otel_messaging_rdkafka as rdkafka;
use rdkafka::{
    ClientConfig, ClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    otel::{CreationContext, Instrumentation, Operation, SendSpanEnd, semconv},
    producer::{
        BaseProducer, BaseRecord, DefaultProducerContext, Partitioner, Producer, ProducerContext,
        ThreadedProducer,
    },
    semconv as kafka,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use support::{Clients, Kafka, PATIENCE, durations, failed, in_partition, know_cluster, sent};

/// Remembers the reports that the application's context gets.
#[derive(Default)]
struct Reports(Mutex<Vec<(u32, Option<RDKafkaErrorCode>)>>);

impl Reports {
    fn take(&self) -> Vec<(u32, Option<RDKafkaErrorCode>)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<u32>;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: Box<u32>) {
        let error = result.as_ref().err().and_then(|(error, _)| error.rdkafka_error_code());
        self.0.lock().unwrap().push((*opaque, error));
    }
}

fn record(payload: &str, id: u32) -> BaseRecord<'_, str, str, Box<u32>> {
    BaseRecord::with_opaque_to("orders", Box::new(id)).partition(0).payload(payload)
}

fn base(kafka: &Kafka, config: &ClientConfig) -> BaseProducer<Reports> {
    kafka.base_producer(config, Reports::default())
}

fn threaded(kafka: &Kafka, config: &ClientConfig) -> ThreadedProducer<Reports> {
    let producer =
        ThreadedProducer::create(config, Reports::default(), &kafka.instrumentation).unwrap();
    know_cluster(producer.client());
    producer
}

/// Waits for the reports that the producer's own thread fetches.
fn reports_of(producer: ThreadedProducer<Reports>) -> Vec<(u32, Option<RDKafkaErrorCode>)> {
    let context = Arc::clone(producer.context());
    producer.flush(PATIENCE).unwrap();
    // The thread has ended then.
    drop(producer);
    context.take()
}

#[test]
fn reports_end_spans_and_reach_the_applications_context() {
    let kafka = Kafka::new();
    let (base, threaded) = (base(&kafka, &kafka.config()), threaded(&kafka, &kafka.config()));
    base.send(record("a", 7)).map_err(|(error, _)| error).unwrap();
    base.flush(PATIENCE).unwrap();
    threaded.send(record("b", 8)).map_err(|(error, _)| error).unwrap();
    assert_eq!(base.context().take(), [(7, None)]);
    assert_eq!(reports_of(threaded), [(8, None)]);
    kafka.telemetry.assert_spans([kafka.send("orders", 0, 0), kafka.send("orders", 0, 1)]);
    let labels = || in_partition(0, kafka.labels(kafka::SEND, Some("orders")));
    kafka.telemetry.assert_metrics([sent([(2, labels())]), durations([(2, labels())])]);
}

#[test]
fn a_failed_report_is_a_failed_send() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("retries", "0");
    let (base, threaded) = (base(&kafka, &config), threaded(&kafka, &config));
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED];
    kafka.cluster.request_errors(RDKafkaApiKey::Produce, &refused);
    base.send(record("a", 7)).map_err(|(error, _)| error).unwrap();
    base.flush(PATIENCE).unwrap();
    kafka.cluster.request_errors(RDKafkaApiKey::Produce, &refused);
    threaded.send(record("b", 8)).map_err(|(error, _)| error).unwrap();
    let code = RDKafkaErrorCode::TopicAuthorizationFailed;
    assert_eq!(base.context().take(), [(7, Some(code))]);
    assert_eq!(reports_of(threaded), [(8, Some(code))]);
    let description = KafkaError::MessageProduction(code).to_string();
    let failed_send = || {
        let send = kafka.span(kafka::SEND, Some("orders"));
        let send = send.attributes([(semconv::DESTINATION_PARTITION_ID, "0".into())]);
        send.error("TopicAuthorizationFailed", Some(&description))
    };
    kafka.telemetry.assert_spans([failed_send(), failed_send()]);
    let labels = || in_partition(0, kafka.labels(kafka::SEND, Some("orders")));
    let failed = || failed("TopicAuthorizationFailed", labels());
    kafka.telemetry.assert_metrics([sent([(2, failed())]), durations([(2, failed())])]);
}

#[test]
fn a_refused_record_comes_back_as_it_was_and_was_never_sent() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("message.max.bytes", "1000");
    let producer = base(&kafka, &config);
    let large = "x".repeat(2000);
    let (error, record) = producer.send(record(&large, 7)).expect_err("it is too large");
    let code = RDKafkaErrorCode::MessageSizeTooLarge;
    assert_eq!(error.rdkafka_error_code(), Some(code));
    assert_eq!(*record.delivery_opaque, 7);
    assert_eq!(record.payload, Some(&*large));
    assert!(record.headers.is_none());
    assert_eq!(producer.context().take(), []);
    let refused = kafka.span(kafka::SEND, Some("orders"));
    let refused = refused.attributes([(semconv::DESTINATION_PARTITION_ID, "0".into())]);
    kafka.telemetry.assert_spans([refused
        .error("MessageSizeTooLarge", Some(&KafkaError::MessageProduction(code).to_string()))]);
    let labels = in_partition(0, kafka.labels(kafka::SEND, Some("orders")));
    kafka.telemetry.assert_metrics([durations([(1, failed("MessageSizeTooLarge", labels))])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_context_that_is_given_is_kept() {
    let kafka = Kafka::new();
    let tracer = kafka.telemetry.tracer();
    let creation = tracer.in_span("earlier", |context| CreationContext::from_context(&context));
    kafka.telemetry.clear();
    let base = base(&kafka, &kafka.config());
    base.send_with_context(record("a", 1), &creation).map_err(|(error, _)| error).unwrap();
    base.flush(PATIENCE).unwrap();
    let threaded = threaded(&kafka, &kafka.config());
    threaded.send_with_context(record("b", 2), &creation).map_err(|(error, _)| error).unwrap();
    kafka.telemetry.wait_for(2);
    let send = |offset| {
        let send = kafka.send("orders", 0, offset).kind(SpanKind::Client);
        send.linked_to(creation.span_context().clone())
    };
    kafka.telemetry.assert_spans([send(0), send(1)]);
    let consumer = kafka.consumer("orders");
    for _ in 0..2 {
        let message = consumer.recv().await.unwrap();
        let carried = message.creation_context().span_context();
        assert_eq!(carried.span_id(), creation.span_context().span_id());
    }
}

/// Of three records, the second is refused.
#[test]
fn a_batch_is_one_send_span_that_ends_with_the_last_report() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("message.max.bytes", "1000");
    let large = "x".repeat(2000);
    let records = || [record("a", 1), record(&large, 2), record("c", 3)];
    let assert_results =
        |results: Vec<Result<(), (KafkaError, BaseRecord<'_, str, str, Box<u32>>)>>| {
            let refused = |result: Result<(), (KafkaError, BaseRecord<'_, _, _, Box<u32>>)>| {
                result.err().map(|(_, record)| *record.delivery_opaque)
            };
            assert_eq!(results.into_iter().map(refused).collect::<Vec<_>>(), [None, Some(2), None]);
        };
    let assert_spans = || {
        let create = |label| {
            let create = kafka.span(Operation::CREATE, Some("orders")).label(label);
            create.attributes([(semconv::DESTINATION_PARTITION_ID, "0".into())])
        };
        let send = kafka.span(kafka::SEND, Some("orders")).kind(SpanKind::Client).attributes([
            (semconv::DESTINATION_PARTITION_ID, "0".into()),
            (semconv::BATCH_MESSAGE_COUNT, 3.into()),
        ]);
        let send = send.linked_to("a").linked_to("b").linked_to("c").event(
            "exception",
            [
                ("exception.type", "MessageSizeTooLarge".into()),
                ("exception.message", "message 1 of the batch".into()),
            ],
        );
        let send = send.error("MessageSizeTooLarge", Some("1 messages failed"));
        kafka.telemetry.assert_spans([create("a"), create("b"), create("c"), send]);
    };
    let base = base(&kafka, &config);
    assert_results(base.send_batch(records()));
    assert_eq!(kafka.telemetry.spans().len(), 3, "no report was fetched yet");
    base.flush(PATIENCE).unwrap();
    assert_spans();
    kafka.telemetry.clear();
    assert_results(threaded(&kafka, &config).send_batch(records()));
    kafka.telemetry.wait_for(4);
    assert_spans();
}

#[test]
fn a_dropped_producer_ends_what_it_had_not_delivered() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("linger.ms", "60000");
    base(&kafka, &config).send(record("a", 1)).map_err(|(error, _)| error).unwrap();
    threaded(&kafka, &config).send(record("b", 2)).map_err(|(error, _)| error).unwrap();
    let purged = || {
        let send = kafka.span(kafka::SEND, Some("orders"));
        let send = send.attributes([(semconv::DESTINATION_PARTITION_ID, "0".into())]);
        let error = KafkaError::MessageProduction(RDKafkaErrorCode::PurgeQueue);
        send.error("PurgeQueue", Some(&error.to_string()))
    };
    kafka.telemetry.assert_spans([purged(), purged()]);
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

#[test]
fn a_custom_partitioner_is_kept() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    // The client crashes at a partitioner unless some property of a topic is set too.
    config.set("acks", "all");
    let producer = kafka.base_producer::<_, Always>(&config, Partitioned(Always(1)));
    for _ in 0..3 {
        let record = BaseRecord::<str, str>::to("invoices").key("k").payload("x");
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    kafka.telemetry.assert_spans((0..3).map(|offset| kafka.send("invoices", 1, offset)));
}

/// Opaques of every kind go through a producer that tracks records, and through one that does not.
#[test]
fn opaques_of_every_kind_come_back() {
    struct Numbers(Mutex<Vec<usize>>);
    impl ClientContext for Numbers {}
    impl ProducerContext for Numbers {
        type DeliveryOpaque = usize;

        fn delivery(&self, _: &DeliveryResult<'_>, opaque: usize) {
            self.0.lock().unwrap().push(opaque);
        }
    }
    let kafka = Kafka::new();
    for instrumentation in [&kafka.instrumentation, &Instrumentation::disabled()] {
        let context = Numbers(Mutex::default());
        let producer: BaseProducer<Numbers> =
            BaseProducer::create(&kafka.config(), context, instrumentation).unwrap();
        for opaque in [0, 1, usize::MAX] {
            let record = BaseRecord::<str, str, usize>::with_opaque_to("orders", opaque);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
        assert_eq!(*producer.context().0.lock().unwrap(), [0, 1, usize::MAX]);
        let boxed: BaseProducer<Reports> =
            BaseProducer::create(&kafka.config(), Reports::default(), instrumentation).unwrap();
        boxed.send(record("a", 7)).map_err(|(error, _)| error).unwrap();
        boxed.flush(PATIENCE).unwrap();
        assert_eq!(boxed.context().take(), [(7, None)]);
        let nothing = BaseRecord::with_opaque_to("a\0topic", Box::new(8)).payload("x").key("k");
        let (error, refused) = boxed.send(nothing).expect_err("the topic has a NUL byte");
        assert!(matches!(error, KafkaError::Nul(_)), "{error:?}");
        assert_eq!(*refused.delivery_opaque, 8);
    }
}

/// Without a span, an operation is packed into the pointer that goes through the client.
#[test]
fn metrics_alone_end_with_the_report() {
    let kafka = Kafka::with(|builder| builder.with_tracing(false));
    let mut config = kafka.config();
    config.set("message.max.bytes", "1000").set("retries", "0");
    let producer = kafka.base_producer(&config, DefaultProducerContext);
    let send = |payload: &str| {
        let record = BaseRecord::<str, str>::to("orders").payload(payload);
        let sent = producer.send(record).map_err(|(error, _)| error.rdkafka_error_code());
        producer.flush(PATIENCE).unwrap();
        sent
    };
    assert_eq!(send("a"), Ok(()));
    assert_eq!(send(&"x".repeat(2000)), Err(Some(RDKafkaErrorCode::MessageSizeTooLarge)));
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED];
    kafka.cluster.request_errors(RDKafkaApiKey::Produce, &refused);
    assert_eq!(send("b"), Ok(()));
    let labels = || kafka.labels(kafka::SEND, Some("orders"));
    let (taken, failure) =
        (in_partition(0, labels()), failed("TopicAuthorizationFailed", labels()));
    let too_large = failed("MessageSizeTooLarge", labels());
    kafka.telemetry.assert_metrics([
        sent([(1, taken.clone()), (1, failure.clone())]),
        durations([(1, taken), (1, failure), (1, too_large)]),
    ]);
}

/// What one instrumenter packs, no other can unpack.
#[test]
fn a_producer_that_is_wrapped_again_tells_each_instrumentation_its_own() {
    let (first, second) = (Kafka::new(), Kafka::with(|builder| builder.with_tracing(false)));
    let producer = first.base_producer(&first.config(), DefaultProducerContext);
    let send = |producer: &BaseProducer| {
        let record = BaseRecord::<str, str>::to("orders").payload("x");
        producer.send(record).map_err(|(error, _)| error).unwrap();
    };
    send(&producer);
    let client = Arc::try_unwrap(producer.into_inner()).ok().expect("there is no clone");
    let producer = BaseProducer::wrap(client, &second.instrumentation);
    send(&producer);
    producer.flush(PATIENCE).unwrap();
    first.telemetry.assert_spans([first.send("orders", 0, 0)]);
    for (kafka, servers) in [(&first, &first.servers), (&second, &first.servers)] {
        let clients = Clients::of(servers.clone());
        let labels = || in_partition(0, clients.labels(kafka::SEND, Some("orders")));
        kafka.telemetry.assert_metrics([sent([(1, labels())]), durations([(1, labels())])]);
    }
}

#[test]
fn a_span_that_ends_at_the_hand_over_does_not_wait_for_the_report() {
    for has_metrics in [true, false] {
        let kafka = Kafka::with(|builder| {
            builder.with_send_span_end(SendSpanEnd::HandOver).with_metrics(has_metrics)
        });
        let mut config = kafka.config();
        config.set("message.max.bytes", "1000");
        let producer = base(&kafka, &config);
        producer.send(record("a", 7)).map_err(|(error, _)| error).unwrap();
        let partition = [(semconv::DESTINATION_PARTITION_ID, "0".into())];
        let span = || kafka.span(kafka::SEND, Some("orders")).attributes(partition.clone());
        // Nothing has polled the producer.
        kafka.telemetry.assert_spans([span()]);
        kafka.telemetry.clear();
        producer.flush(PATIENCE).unwrap();
        producer.send(record(&"x".repeat(2000), 8)).expect_err("it is too large");
        assert_eq!(producer.context().take(), [(7, None)]);
        let description = KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);
        let refused = span().error("MessageSizeTooLarge", Some(&description.to_string()));
        kafka.telemetry.assert_spans([refused]);
        let labels = || in_partition(0, kafka.labels(kafka::SEND, Some("orders")));
        let refused = failed("MessageSizeTooLarge", labels());
        let metrics = [sent([(1, labels())]), durations([(1, labels()), (1, refused)])];
        kafka.telemetry.assert_metrics(metrics.into_iter().filter(|_| has_metrics));
    }
}
