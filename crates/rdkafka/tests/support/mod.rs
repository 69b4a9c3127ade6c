//! An embedded cluster, instrumented clients, and what their telemetry looks like.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    ops::Deref,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use opentelemetry::{InstrumentationScope, trace::SpanKind};
use otel_messaging_rdkafka::{
    ClientConfig, ClientContext, Message,
    bindings::{rd_kafka_header_add, rd_kafka_header_get_all, rd_kafka_message_headers},
    client::{Client, DefaultClientContext},
    consumer::{Consumer, DefaultConsumerContext, StreamConsumer},
    message::{BorrowedMessage, OwnedHeaders},
    mocking::MockCluster,
    otel::{Instrumentation, builder::InstrumentationBuilder, semconv},
    producer::{
        BaseProducer, DefaultProducerContext, FutureProducer, Partitioner, Producer,
        ProducerContext,
    },
};
use otel_messaging_testing::{
    attributes::{ExpectedValue, any},
    spans::{ExpectedSpan, span},
    telemetry::Telemetry,
};

pub(crate) type Attribute = (&'static str, ExpectedValue);

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

/// Makes clients for a cluster, which report to telemetry of their own.
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
        Self::telling(Telemetry::builder().expecting_scope(scope()).build(), servers, choose)
    }

    /// Clients that report to this telemetry.
    pub(crate) fn telling(
        telemetry: Telemetry,
        servers: String,
        choose: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
    ) -> Self {
        let builder = Instrumentation::builder()
            .with_tracer_provider(telemetry.tracer_provider())
            .with_meter_provider(telemetry.meter_provider())
            .with_propagator(otel_messaging_rdkafka::otel::Propagation::TraceContextAndBaggage);
        let instrumentation = choose(builder).build();
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

    /// A producer that the test polls.
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

    /// A consumer in a group of its own.
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

    /// `server.address` and `server.port` of the cluster.
    fn server(&self) -> (String, i64) {
        let first = self.servers.split(',').next().expect("there is a server");
        let (host, port) = first.rsplit_once(':').expect("it has a port");
        (host.to_owned(), port.parse().expect("a number"))
    }

    pub(crate) fn port(&self) -> i64 {
        self.server().1
    }

    /// The attributes of every span of an operation, but those of its messages.
    pub(crate) fn attributes(
        &self,
        operation: &'static str,
        kind: &'static str,
        topic: Option<&str>,
    ) -> Vec<Attribute> {
        let (host, port) = self.server();
        let mut attributes = vec![
            (semconv::SYSTEM, "kafka".into()),
            (semconv::OPERATION_NAME, operation.into()),
            (semconv::OPERATION_TYPE, kind.into()),
            (semconv::SERVER_ADDRESS, host.into()),
            (semconv::SERVER_PORT, port.into()),
        ];
        attributes.extend(topic.map(|topic| (semconv::DESTINATION_NAME, topic.to_owned().into())));
        if kind != "create" {
            attributes.push((semconv::CLIENT_ID, "test".into()));
            attributes.push(("messaging.kafka.cluster.id", any()));
        }
        if matches!(kind, "receive" | "process" | "settle") {
            attributes.push((semconv::CONSUMER_GROUP_NAME, any()));
        }
        attributes
    }

    /// A send span of a record that was delivered.
    pub(crate) fn send(&self, topic: &str, partition: i32, offset: i64) -> ExpectedSpan {
        let mut attributes = self.attributes("send", "send", Some(topic));
        attributes.push((semconv::DESTINATION_PARTITION_ID, partition.to_string().into()));
        attributes.push(("messaging.kafka.offset", offset.into()));
        span(format!("send {topic}")).kind(SpanKind::Producer).attributes(attributes)
    }
}

/// Waits until the client knows its cluster's id, which spans tell from then on.
pub(crate) fn know_cluster<C: ClientContext>(client: &Client<C>) {
    client.fetch_cluster_id(PATIENCE).expect("the cluster has an id");
}

pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("otel-messaging-rdkafka")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url("https://opentelemetry.io/schemas/1.44.0")
        .build()
}

/// All headers as they travelled, whatever their bytes.
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

/// Adds a header whose name is not UTF-8, as other languages may send it: one makes the client's
/// own iteration panic, and no safe Rust writes it.
#[allow(unsafe_code, reason = "the safe API takes UTF-8 only")]
pub(crate) fn with_invalid_name(headers: OwnedHeaders) -> OwnedHeaders {
    let list = std::ptr::from_ref(headers.as_borrowed()).cast_mut().cast();
    // SAFETY: the list is alive and ours; name and value are copied.
    let result =
        unsafe { rd_kafka_header_add(list, c"\xff\xfe".as_ptr(), 2, c"v".as_ptr().cast(), 1) };
    assert_eq!(result as i32, 0);
    headers
}

pub(crate) fn named<'a>(
    headers: &'a [(Vec<u8>, Option<Vec<u8>>)],
    name: &str,
) -> Vec<Option<&'a [u8]>> {
    let named = headers.iter().filter(|(key, _)| key == name.as_bytes());
    named.map(|(_, value)| value.as_deref()).collect()
}

pub(crate) fn payload(message: &impl Message) -> &str {
    message.payload().and_then(|payload| str::from_utf8(payload).ok()).unwrap_or("")
}

/// Longer than anything on loopback takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
