//! An embedded cluster, instrumented clients, and the telemetry that they should have.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    ops::Deref,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use opentelemetry::{InstrumentationScope, trace::SpanKind};
use otel_messaging_rdkafka::{
    ClientConfig, ClientContext, Message,
    bindings::{rd_kafka_header_add, rd_kafka_header_get_all, rd_kafka_message_headers},
    client::{Client, DefaultClientContext},
    consumer::{Consumer, DefaultConsumerContext, StreamConsumer},
    message::{BorrowedMessage, OwnedHeaders},
    mocking::MockCluster,
    otel::{Instrumentation, InstrumentationBuilder, Operation, OperationType, semconv},
    producer::{
        BaseProducer, DefaultProducerContext, FutureProducer, Partitioner, Producer,
        ProducerContext,
    },
    semconv as kafka,
};
use otel_messaging_testing::{
    attributes::{ExpectedValue, any},
    metrics::{ExpectedMetric, counter, histogram},
    spans::{ExpectedSpan, span},
    telemetry::Telemetry,
};

pub(crate) type Attribute = (&'static str, ExpectedValue);
/// How often something was recorded, and with which attributes.
pub(crate) type Point = (u64, Vec<Attribute>);

/// A cluster of one broker, and clients for it.
pub(crate) struct Kafka {
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
    clients: Clients,
}

impl Kafka {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(
        choose: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
    ) -> Self {
        let cluster = MockCluster::new(1).expect("a mock cluster starts");
        cluster.create_topic("orders", 1, 1).expect("the topic is created");
        cluster.create_topic("invoices", 2, 1).expect("the topic is created");
        let clients = Clients::with(cluster.bootstrap_servers(), choose);
        Self { cluster, clients }
    }
}

impl Deref for Kafka {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.clients
    }
}

/// Makes clients of a cluster, which report to telemetry of their own.
pub(crate) struct Clients {
    pub(crate) servers: String,
    pub(crate) telemetry: Telemetry,
    pub(crate) instrumentation: Instrumentation,
}

impl Clients {
    pub(crate) fn of(servers: impl Into<String>) -> Self {
        Self::with(servers.into(), |builder| builder)
    }

    pub(crate) fn with(
        servers: String,
        choose: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
    ) -> Self {
        Self::reporting_to(Telemetry::builder().expecting_scope(scope()).build(), servers, choose)
    }

    pub(crate) fn reporting_to(
        telemetry: Telemetry,
        servers: String,
        choose: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
    ) -> Self {
        let instrumentation = choose(telemetry.instrumentation()).build();
        Self { servers, telemetry, instrumentation }
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.servers).set("client.id", "test");
        config
    }

    pub(crate) fn consumer_config(&self) -> ClientConfig {
        static GROUP: AtomicU32 = AtomicU32::new(0);
        let mut config = self.config();
        config
            .set("group.id", format!("group-{}", GROUP.fetch_add(1, Ordering::Relaxed)))
            .set("group.protocol", "consumer")
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "10");
        config
    }

    pub(crate) fn producer(&self) -> FutureProducer {
        self.producer_with(&self.config())
    }

    pub(crate) fn producer_with(&self, config: &ClientConfig) -> FutureProducer {
        let producer = FutureProducer::create(config, DefaultClientContext, &self.instrumentation)
            .expect("the producer is made");
        know_cluster(Producer::client(&producer));
        producer
    }

    /// Makes a producer that the test polls.
    pub(crate) fn base_producer<C, Part>(
        &self,
        config: &ClientConfig,
        context: C,
    ) -> BaseProducer<C, Part>
    where
        C: ProducerContext<Part>,
        Part: Partitioner,
    {
        let producer = BaseProducer::create(config, context, &self.instrumentation)
            .expect("the producer is made");
        know_cluster(producer.client());
        producer
    }

    /// Makes a consumer in a group of its own.
    pub(crate) fn consumer(&self, topic: &str) -> StreamConsumer {
        self.consumer_with(&self.consumer_config(), topic)
    }

    pub(crate) fn consumer_with(&self, config: &ClientConfig, topic: &str) -> StreamConsumer {
        let consumer =
            StreamConsumer::create(config, DefaultConsumerContext, &self.instrumentation)
                .expect("the consumer is made");
        know_cluster(consumer.client());
        consumer.subscribe(&[topic]).expect("the topic is subscribed to");
        consumer
    }

    /// Returns the attributes that both spans and durations of an operation have.
    pub(crate) fn labels(&self, operation: Operation, topic: Option<&str>) -> Vec<Attribute> {
        let first = self.servers.split(',').next().expect("there is a server");
        let (host, port) = first.rsplit_once(':').expect("it has a port");
        let port: i64 = port.parse().expect("a number");
        let kind = operation.operation_type();
        let mut labels = vec![
            (semconv::SYSTEM, "kafka".into()),
            (semconv::OPERATION_NAME, operation.name().into()),
            (semconv::OPERATION_TYPE, kind.as_str().into()),
            (semconv::SERVER_ADDRESS, host.to_owned().into()),
            (semconv::SERVER_PORT, port.into()),
        ];
        labels.extend(topic.map(|topic| (semconv::DESTINATION_NAME, topic.to_owned().into())));
        if !matches!(kind, OperationType::Create | OperationType::Send) {
            labels.push((semconv::CONSUMER_GROUP_NAME, any()));
        }
        labels
    }

    /// Returns the attributes of a span, but those of its messages.
    pub(crate) fn attributes(&self, operation: Operation, topic: Option<&str>) -> Vec<Attribute> {
        let mut attributes = self.labels(operation, topic);
        if operation != Operation::CREATE {
            attributes.push((semconv::CLIENT_ID, "test".into()));
            attributes.push((kafka::CLUSTER_ID, any()));
        }
        attributes
    }

    /// Returns a span without the attributes of its messages. Without a topic, it is named after
    /// the server.
    pub(crate) fn span(&self, operation: Operation, topic: Option<&str>) -> ExpectedSpan {
        let kind = match operation.operation_type() {
            OperationType::Create | OperationType::Send => SpanKind::Producer,
            OperationType::Process => SpanKind::Consumer,
            _ => SpanKind::Client,
        };
        let destination = topic.unwrap_or(&self.servers);
        span(format!("{} {destination}", operation.name()))
            .kind(kind)
            .attributes(self.attributes(operation, topic))
    }

    /// Returns the span of one message at a place.
    pub(crate) fn span_at(
        &self,
        operation: Operation,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> ExpectedSpan {
        self.span(operation, Some(topic)).attributes([
            (semconv::DESTINATION_PARTITION_ID, partition.to_string().into()),
            (kafka::OFFSET, offset.into()),
        ])
    }

    /// Returns the send span of a record that was delivered.
    pub(crate) fn send(&self, topic: &str, partition: i32, offset: i64) -> ExpectedSpan {
        self.span_at(kafka::SEND, topic, partition, offset)
    }
}

/// The four metrics, of which durations name the type of the operation in their attributes.
pub(crate) fn durations(points: impl IntoIterator<Item = Point>) -> ExpectedMetric {
    with_points(seconds(semconv::CLIENT_OPERATION_DURATION), points)
}

pub(crate) fn process_durations(points: impl IntoIterator<Item = Point>) -> ExpectedMetric {
    with_points(seconds(semconv::PROCESS_DURATION), points.into_iter().map(untyped))
}

pub(crate) fn sent(points: impl IntoIterator<Item = Point>) -> ExpectedMetric {
    let counter = counter(semconv::CLIENT_SENT_MESSAGES).unit("{message}");
    with_points(counter, points.into_iter().map(untyped))
}

pub(crate) fn consumed(points: impl IntoIterator<Item = Point>) -> ExpectedMetric {
    let counter = counter(semconv::CLIENT_CONSUMED_MESSAGES).unit("{message}");
    with_points(counter, points.into_iter().map(untyped))
}

fn seconds(name: &'static str) -> ExpectedMetric {
    histogram(name).unit("s").boundaries(&semconv::DURATION_BOUNDARIES)
}

fn untyped((count, mut attributes): Point) -> Point {
    attributes.retain(|(key, _)| *key != semconv::OPERATION_TYPE);
    (count, attributes)
}

fn with_points(metric: ExpectedMetric, points: impl IntoIterator<Item = Point>) -> ExpectedMetric {
    points.into_iter().fold(metric, |metric, (count, attributes)| metric.point(count, attributes))
}

/// Adds the partition to the attributes of a metric.
pub(crate) fn in_partition(partition: i32, mut labels: Vec<Attribute>) -> Vec<Attribute> {
    labels.push((semconv::DESTINATION_PARTITION_ID, partition.to_string().into()));
    labels
}

/// Adds the class of an error to the attributes of a metric.
pub(crate) fn failed(error: &str, mut labels: Vec<Attribute>) -> Vec<Attribute> {
    labels.push((semconv::ERROR_TYPE, error.to_owned().into()));
    labels
}

/// Waits until the client knows its cluster's id, which later spans have.
pub(crate) fn know_cluster<C: ClientContext>(client: &Client<C>) {
    let deadline = Instant::now() + PATIENCE;
    // The library may miss the answer, and would wait for the next one.
    while client.fetch_cluster_id(Duration::from_millis(100)).is_none() {
        assert!(Instant::now() < deadline, "the cluster has an id");
    }
}

pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("otel-messaging-rdkafka")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url("https://opentelemetry.io/schemas/1.44.0")
        .build()
}

/// Returns all headers as they travelled, whatever their bytes.
#[allow(unsafe_code, reason = "the safe API panics at names that are not UTF-8")]
pub(crate) fn headers_of(message: &BorrowedMessage<'_>) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    use std::{ffi::CStr, ptr, slice};

    let mut headers = Vec::new();
    let mut list = ptr::null_mut();
    // SAFETY: the message is alive while its list is looked at.
    unsafe {
        rd_kafka_message_headers(message.ptr(), &raw mut list);
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        while !list.is_null()
            && rd_kafka_header_get_all(
                list,
                headers.len(),
                &raw mut name,
                &raw mut value,
                &raw mut size,
            ) as i32
                == 0
        {
            let value = (!value.is_null())
                .then(|| slice::from_raw_parts(value.cast::<u8>(), size).to_vec());
            headers.push((CStr::from_ptr(name).to_bytes().to_vec(), value));
        }
    }
    headers
}

/// Adds a header whose name need not be UTF-8: clients in other languages may send it, and safe
/// Rust cannot.
#[allow(unsafe_code, reason = "the safe API takes UTF-8 only")]
pub(crate) fn with_header(headers: OwnedHeaders, name: &[u8], value: &[u8]) -> OwnedHeaders {
    let list = std::ptr::from_ref(headers.as_borrowed()).cast_mut().cast();
    let (name, name_size) = (name.as_ptr().cast(), name.len().cast_signed());
    let (value, value_size) = (value.as_ptr().cast(), value.len().cast_signed());
    // SAFETY: the list is alive and ours; name and value are copied, with their sizes.
    let result = unsafe { rd_kafka_header_add(list, name, name_size, value, value_size) };
    assert_eq!(result as i32, 0);
    headers
}

pub(crate) fn payload(message: &impl Message) -> &str {
    message.payload().and_then(|payload| str::from_utf8(payload).ok()).unwrap_or("")
}

/// Longer than anything on loopback takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
