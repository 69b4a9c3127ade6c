//! The conformance suite on librdkafka's embedded cluster.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod support;

use std::{
    collections::HashSet,
    future::Future,
    sync::{
        Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use otel_messaging_rdkafka as rdkafka;
use otel_messaging_testing::{
    attributes::any,
    conformance,
    conformance::{Broker, Client, Failing, Fault, Header, Headers, Outgoing, Place, Setup},
};
use rdkafka::{
    ClientConfig, Message, TopicPartitionList, bare,
    client::DefaultClientContext,
    consumer::{CommitMode, Consumer, DefaultConsumerContext, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Header as RecordHeader, Headers as _, OwnedHeaders, OwnedMessage},
    otel::{Batch, CreationContext, Instrumentation, OperationType},
    producer::{FutureProducer, FutureRecord, Producer, future_producer::OwnedDeliveryResult},
    types::{RDKafkaApiKey, RDKafkaRespErr},
    util::Timeout,
};
use support::{PATIENCE, headers_of, know_cluster};

conformance!(Kafka);

/// What a record may have, and a little more.
const MAX_BYTES: usize = 3 << 20;

/// A cluster of one broker, embedded in a client of its own, and the instrumented clients.
struct Kafka {
    cluster: bare::producer::BaseProducer,
    topics: Mutex<HashSet<String>>,
    partitions: i32,
    producer: FutureProducer,
    /// Its queue is full, for ever.
    full: FutureProducer,
    next: AtomicU8,
    consumer: StreamConsumer,
    foreign: bare::producer::FutureProducer,
    port: u16,
}

/// Which producer the next send uses, and how long it waits for room.
const USUAL: u8 = 0;
const STALL: u8 = 1;
const REFUSE: u8 = 2;

impl Kafka {
    fn make_topic(&self, topic: &str) {
        let mut topics = self.topics.lock().expect("no test panics here");
        if topics.insert(topic.to_owned()) {
            let cluster = self.cluster.client().mock_cluster().expect("it is embedded");
            cluster.create_topic(topic, self.partitions, 1).expect("the topic is made");
        }
    }

    fn fail_next(&self, request: RDKafkaApiKey, error: RDKafkaRespErr) {
        let cluster = self.cluster.client().mock_cluster().expect("it is embedded");
        cluster.request_errors(request, &[error]);
    }

    /// The producer that is next, and how long it waits.
    fn next(&self) -> (&FutureProducer, Timeout) {
        match self.next.swap(USUAL, Ordering::Relaxed) {
            STALL => (&self.full, Timeout::Never),
            REFUSE => (&self.full, Timeout::After(Duration::ZERO)),
            _ => (&self.producer, Timeout::After(PATIENCE)),
        }
    }
}

impl Broker for Kafka {
    type Message<'a> = BorrowedMessage<'a>;

    const SYSTEM: &'static str = "kafka";
    const SCOPE: (&'static str, &'static str) =
        ("otel-messaging-rdkafka", env!("CARGO_PKG_VERSION"));
    const SEND: &'static str = "send";
    const RECEIVE: &'static str = "poll";
    const SETTLE: Option<&'static str> = Some("commit");
    const HEADERS: Headers =
        Headers { binary: true, null: true, duplicate: true, longest: 1 << 20 };
    const KEY: Option<&'static str> = Some("messaging.kafka.message.key");
    const ENVELOPE_SIZE: bool = true;
    const PARTITIONS: bool = true;
    const ANSWERS_AFTER_DROP: bool = true;
    const TEMPORARY: Option<&'static str> = None;
    const ANONYMOUS: Option<&'static str> = None;

    fn position(operation: OperationType) -> Option<&'static str> {
        (operation != OperationType::Create).then_some("messaging.kafka.offset")
    }

    async fn start(setup: Setup<'_>, instrumentation: &Instrumentation) -> Self {
        let mut config = ClientConfig::new();
        let cluster: bare::producer::BaseProducer =
            config.set("test.mock.num.brokers", "1").create().expect("a mock cluster starts");
        let servers = cluster.client().mock_cluster().expect("it is embedded").bootstrap_servers();
        let port = servers.rsplit(':').next().and_then(|port| port.parse().ok());
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &servers)
            .set("client.id", "conformance")
            .set("message.max.bytes", MAX_BYTES.to_string());
        let producer = FutureProducer::create(&config, DefaultClientContext, instrumentation)
            .expect("it is made");
        let foreign = config.create().expect("it is made");
        let mut full = config.clone();
        full.set("queue.buffering.max.messages", "1").set("linger.ms", "200000");
        let full = FutureProducer::create(&full, DefaultClientContext, instrumentation)
            .expect("it is made");
        let filler = FutureRecord::<str, str>::to("filler").payload("x");
        let room = full.get_ref().send_result(filler).map_err(|(error, _)| error);
        drop(room.expect("there is room for one"));
        config
            .set("group.id", "conformance")
            .set("group.protocol", "consumer")
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "10");
        let consumer = StreamConsumer::create(&config, DefaultConsumerContext, instrumentation)
            .expect("it is made");
        let kafka = Self {
            cluster,
            topics: Mutex::default(),
            partitions: i32::try_from(setup.partitions).expect("a small number"),
            producer,
            full,
            next: AtomicU8::new(USUAL),
            consumer,
            foreign,
            port: port.expect("it has a port"),
        };
        let mut assignment = TopicPartitionList::new();
        for topic in setup.destinations {
            kafka.make_topic(topic);
            assignment.add_partition_range(topic, 0, kafka.partitions - 1);
        }
        assignment.set_all_offsets(rdkafka::Offset::Beginning).expect("it has offsets");
        kafka.consumer.assign(&assignment).expect("it is assigned");
        know_cluster(Producer::client(&kafka.producer));
        know_cluster(Producer::client(&kafka.full));
        know_cluster(kafka.consumer.client());
        kafka
    }

    async fn spawn(future: impl Future<Output = ()> + Send + 'static) -> bool {
        tokio::spawn(future).await.is_ok()
    }

    fn client(&self, operation: OperationType) -> Client {
        let sends = matches!(operation, OperationType::Create | OperationType::Send);
        Client {
            server: Some(("127.0.0.1".into(), Some(self.port))),
            group: (!sends).then_some("conformance".into()),
            span_attributes: vec![
                ("messaging.client.id", "conformance".into()),
                ("messaging.kafka.cluster.id", any()),
            ],
        }
    }

    async fn send(&self, message: Outgoing) -> Result<Place, Outgoing> {
        self.make_topic(&message.destination);
        let (producer, timeout) = self.next();
        result(producer.send(record(&message), timeout).await)
    }

    async fn send_created(
        &self,
        message: Outgoing,
        creation: &CreationContext,
    ) -> Result<Place, Outgoing> {
        self.make_topic(&message.destination);
        result(self.producer.send_created(record(&message), creation, PATIENCE).await)
    }

    async fn send_and_forget(&self, message: Outgoing) {
        self.make_topic(&message.destination);
        // On a busy machine the answer may be there already: then too, nobody looks at it.
        drop(self.producer.send(record(&message), PATIENCE).now_or_never());
    }

    async fn send_batch(&self, messages: Vec<Outgoing>) -> Vec<Result<Place, Outgoing>> {
        for message in &messages {
            self.make_topic(&message.destination);
        }
        let (producer, timeout) = self.next();
        let results = producer.send_batch(messages.iter().map(record), timeout).await;
        results.into_iter().map(result).collect()
    }

    async fn send_foreign(&self, messages: Vec<Outgoing>) {
        for message in &messages {
            self.make_topic(&message.destination);
            self.foreign.send(record(message), PATIENCE).await.expect("it is delivered");
        }
    }

    async fn receive(&self) -> Result<BorrowedMessage<'_>, Failing> {
        self.consumer.recv().await.map_err(|error| failing(&error))
    }

    async fn receive_batch(&self, count: usize) -> Result<Batch<BorrowedMessage<'_>>, Failing> {
        let batch = self.consumer.batches(count, PATIENCE).next().await.expect("it never ends");
        batch.map_err(|error| failing(&error))
    }

    async fn receive_nothing(&self) {
        assert!(self.consumer.recv().now_or_never().is_none());
    }

    async fn process_with<'a, F>(
        message: BorrowedMessage<'a>,
        handler: impl FnOnce(BorrowedMessage<'a>) -> F + Send,
    ) where
        F: Future<Output = ()> + Send,
    {
        message.process_with(handler).await;
    }

    async fn settle<'a>(&'a self, message: &BorrowedMessage<'a>) -> Result<(), Failing> {
        self.consumer.commit_message(message, CommitMode::Sync).map_err(|error| failing(&error))
    }

    fn inject(&self, fault: Fault) -> Option<Failing> {
        match fault {
            Fault::Stall => {
                self.next.store(STALL, Ordering::Relaxed);
                Some(Failing { error_type: "cancelled".into(), description: "".into() })
            }
            Fault::Refuse => {
                self.next.store(REFUSE, Ordering::Relaxed);
                Some(failing(&KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)))
            }
            Fault::Fail => {
                let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD;
                self.fail_next(RDKafkaApiKey::Produce, error);
                Some(failing(&KafkaError::MessageProduction(RDKafkaErrorCode::InvalidRecord)))
            }
            Fault::Receive => {
                let mut nowhere = TopicPartitionList::new();
                let offset = rdkafka::Offset::Offset(1 << 40);
                nowhere.add_partition_offset("orders", 0, offset).expect("it is a place");
                self.consumer.assign(&nowhere).expect("it is assigned");
                Some(failing(&KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset)))
            }
            Fault::Settle => {
                let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
                self.fail_next(RDKafkaApiKey::OffsetCommit, error);
                let error = RDKafkaErrorCode::GroupAuthorizationFailed;
                Some(failing(&KafkaError::ConsumerCommit(error)))
            }
        }
    }

    /// The largest that the client takes: what a context adds would be too much.
    fn without_room(&self, destination: &'static str) -> Option<Outgoing> {
        let mut config = ClientConfig::new();
        config.set("message.max.bytes", MAX_BYTES.to_string());
        let nowhere: bare::producer::FutureProducer = config.create().expect("it is made");
        let mut body = vec![b'x'; MAX_BYTES];
        loop {
            let record = FutureRecord::<[u8], [u8]>::to(destination).payload(&body);
            if nowhere.send_result(record).is_ok() {
                return Some(Outgoing::new(destination).with_body(body));
            }
            body.pop();
        }
    }

    fn headers_of(message: &BorrowedMessage<'_>) -> Vec<Header> {
        let text = |name: Vec<u8>| String::from_utf8(name).expect("the suite sends text");
        headers_of(message).into_iter().map(|(name, value)| (text(name), value)).collect()
    }

    fn place_of(message: &BorrowedMessage<'_>) -> Place {
        Place {
            partition: u32::try_from(message.partition()).ok(),
            position: Some(message.offset()),
        }
    }

    fn body_of(message: &BorrowedMessage<'_>) -> Vec<u8> {
        message.payload().unwrap_or_default().to_vec()
    }
}

fn record(message: &Outgoing) -> FutureRecord<'_, [u8], [u8]> {
    FutureRecord {
        topic: &message.destination,
        partition: message.partition.map(u32::cast_signed),
        payload: Some(&message.body),
        key: message.key.as_deref(),
        timestamp: None,
        headers: (!message.headers.is_empty()).then(|| {
            message.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(RecordHeader { key, value: value.as_ref() })
            })
        }),
    }
}

fn result(result: OwnedDeliveryResult) -> Result<Place, Outgoing> {
    match result {
        Ok(delivery) => Ok(Place {
            partition: u32::try_from(delivery.partition).ok(),
            position: Some(delivery.offset),
        }),
        Err((_, message)) => Err(outgoing(&message)),
    }
}

fn outgoing(message: &OwnedMessage) -> Outgoing {
    let headers = message.headers().map(|headers| {
        let owned = |header: RecordHeader<'_, &[u8]>| {
            (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
        };
        headers.iter().map(owned).collect()
    });
    Outgoing {
        destination: message.topic().to_owned().into(),
        partition: u32::try_from(message.partition()).ok(),
        key: message.key().map(<[u8]>::to_vec),
        body: message.payload().unwrap_or_default().to_vec(),
        headers: headers.unwrap_or_default(),
    }
}

fn failing(error: &KafkaError) -> Failing {
    let code = error.rdkafka_error_code().expect("Kafka's errors have codes");
    Failing { error_type: format!("{code:?}").into(), description: error.to_string().into() }
}
