//! The clients of this crate as the conformance suite uses them, on any cluster.

use std::{collections::HashSet, future::Future, mem, sync::Mutex, time::Duration};

use futures::FutureExt;
use otel_messaging_rdkafka as rdkafka;
use otel_messaging_testing::{
    attributes::any,
    conformance::{Broker, Client, Failing, Fault, Header, Headers, Outgoing, Place, Setup},
};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList, bare,
    client::DefaultClientContext,
    consumer::{CommitMode, Consumer, DefaultConsumerContext, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Header as RecordHeader, Headers as _, OwnedHeaders, OwnedMessage},
    otel::{Batch, CreationContext, Instrumentation, Operation, OperationType, System},
    producer::{FutureProducer, FutureRecord, Producer, future_producer::OwnedDeliveryResult},
    semconv,
    util::Timeout,
};
use tokio::time::timeout;

use crate::support::{PATIENCE, headers_of, know_cluster};

/// Room for the longest header that the suite sends, and more.
const MAX_BYTES: usize = 3 << 20;

/// A cluster that the suite runs on.
pub(crate) trait Cluster: Send + Sync + 'static {
    /// Starts a cluster, or takes a part of a shared one that no other test has.
    fn start() -> Self;

    /// Returns the configuration of all clients, with `bootstrap.servers`.
    fn config(&self) -> ClientConfig;

    /// Returns the name of the consumer group.
    fn group(&self) -> String;

    /// Returns the real name of the topic that a test calls `name`.
    fn topic(&self, name: &str) -> String;

    /// Returns the name that a test uses for this topic.
    fn name_of<'t>(&self, topic: &'t str) -> &'t str;

    fn make_topics(&self, topics: &[String], partitions: i32) -> impl Future<Output = ()> + Send;

    /// Makes the broker refuse the next records; returns its error, and the change to the records
    /// that it may need.
    fn refuse_records(&self) -> (RDKafkaErrorCode, fn(&mut FutureRecord<'_, [u8], [u8]>));

    /// Makes the broker refuse commits, and returns its error.
    fn refuse_commits(&self) -> RDKafkaErrorCode;

    /// Makes the broker take commits again.
    fn accept_commits(&self);
}

/// The instrumented clients of one test on its cluster.
pub(crate) struct Kafka<C> {
    cluster: C,
    topics: tokio::sync::Mutex<HashSet<String>>,
    partitions: i32,
    producer: FutureProducer,
    /// A producer whose queue stays full.
    full: FutureProducer,
    next: Mutex<Next>,
    consumer: StreamConsumer,
    foreign: bare::producer::FutureProducer,
    server: (String, Option<u16>),
}

/// What happens to the next record.
#[derive(Clone, Copy)]
enum Next {
    IsSent,
    Stalls,
    IsRefusedHere,
    IsRefusedThere(fn(&mut FutureRecord<'_, [u8], [u8]>)),
}

impl<C: Cluster> Kafka<C> {
    async fn make_topics(&self, names: impl IntoIterator<Item = &str>) {
        let mut made = self.topics.lock().await;
        let names: HashSet<&str> = names.into_iter().collect();
        let topics = names.into_iter().map(|name| self.cluster.topic(name));
        let topics: Vec<String> = topics.filter(|topic| !made.contains(topic)).collect();
        self.cluster.make_topics(&topics, self.partitions).await;
        made.extend(topics);
    }

    /// Returns the producer of the next record, how long it waits, and the change to the record.
    fn next(&self) -> (&FutureProducer, Timeout, fn(&mut FutureRecord<'_, [u8], [u8]>)) {
        let next = mem::replace(&mut *self.next.lock().unwrap(), Next::IsSent);
        match next {
            Next::IsSent => (&self.producer, Timeout::After(PATIENCE), |_| {}),
            Next::Stalls => (&self.full, Timeout::Never, |_| {}),
            Next::IsRefusedHere => (&self.full, Timeout::After(Duration::ZERO), |_| {}),
            Next::IsRefusedThere(change) => (&self.producer, Timeout::After(PATIENCE), change),
        }
    }

    fn set_next(&self, next: Next) {
        *self.next.lock().unwrap() = next;
    }

    fn result(&self, result: OwnedDeliveryResult) -> Result<Place, Outgoing> {
        match result {
            Ok(delivery) => Ok(Place {
                partition: u32::try_from(delivery.partition).ok(),
                position: Some(delivery.offset),
            }),
            Err((_, message)) => Err(self.outgoing(&message)),
        }
    }

    fn outgoing(&self, message: &OwnedMessage) -> Outgoing {
        let headers = message.headers().map(|headers| {
            let owned = |header: RecordHeader<'_, &[u8]>| {
                (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
            };
            headers.iter().map(owned).collect()
        });
        Outgoing {
            destination: self.cluster.name_of(message.topic()).to_owned().into(),
            partition: u32::try_from(message.partition()).ok(),
            key: message.key().map(<[u8]>::to_vec),
            body: message.payload().unwrap_or_default().to_vec(),
            headers: headers.unwrap_or_default(),
        }
    }
}

impl<C: Cluster> Broker for Kafka<C> {
    type Message<'a> = BorrowedMessage<'a>;

    const SYSTEM: System = semconv::SYSTEM;
    const SEND: Operation = semconv::SEND;
    const RECEIVE: Operation = semconv::POLL;
    const SETTLE: Option<Operation> = Some(semconv::COMMIT);
    const HEADERS: Headers =
        Headers { binary: true, null: true, duplicate: true, longest: 1 << 20 };
    const ENVELOPE_SIZE: bool = true;
    const PARTITIONS: bool = true;
    const ANSWERS_AFTER_DROP: bool = true;
    const TEMPORARY: Option<&'static str> = None;
    const ANONYMOUS: Option<&'static str> = None;

    fn position(operation: OperationType) -> Option<&'static str> {
        (operation != OperationType::Create).then_some("messaging.kafka.offset")
    }

    async fn start(setup: Setup<'_>, instrumentation: &Instrumentation) -> Self {
        let cluster = C::start();
        let mut config = cluster.config();
        let servers = config.get("bootstrap.servers").expect("it is set");
        let first = servers.split(',').next().expect("there is a server");
        let server = match first.rsplit_once(':') {
            Some((host, port)) => (host.to_owned(), port.parse().ok()),
            None => (first.to_owned(), None),
        };
        config.set("client.id", "conformance").set("message.max.bytes", MAX_BYTES.to_string());
        let producer = FutureProducer::create(&config, DefaultClientContext, instrumentation)
            .expect("it is made");
        let foreign = config.create().expect("it is made");
        let mut full = config.clone();
        full.set("queue.buffering.max.messages", "1")
            .set("batch.num.messages", "2") // a full batch would not linger
            .set("linger.ms", "200000");
        let full = FutureProducer::create(&full, DefaultClientContext, instrumentation)
            .expect("it is made");
        let filler = cluster.topic("filler");
        cluster.make_topics(std::slice::from_ref(&filler), 1).await;
        let filler = FutureRecord::<str, str>::to(&filler).payload("x");
        let room = full.get_ref().send_result(filler).map_err(|(error, _)| error);
        drop(room.expect("there is room for one"));
        config
            .set("group.id", cluster.group())
            .set("group.protocol", "consumer")
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "10");
        let consumer = StreamConsumer::create(&config, DefaultConsumerContext, instrumentation)
            .expect("it is made");
        let kafka = Self {
            cluster,
            topics: tokio::sync::Mutex::default(),
            partitions: i32::try_from(setup.partitions).expect("a small number"),
            producer,
            full,
            next: Mutex::new(Next::IsSent),
            consumer,
            foreign,
            server,
        };
        kafka.make_topics(setup.destinations.iter().copied()).await;
        let mut assignment = TopicPartitionList::new();
        for name in setup.destinations {
            let topic = kafka.cluster.topic(name);
            assignment.add_partition_range(&topic, 0, kafka.partitions - 1);
        }
        assignment.set_all_offsets(Offset::Beginning).expect("it has offsets");
        kafka.consumer.assign(&assignment).expect("it is assigned");
        know_cluster(Producer::client(&kafka.producer));
        know_cluster(Producer::client(&kafka.full));
        know_cluster(kafka.consumer.client());
        kafka
    }

    fn destination(&self, _: OperationType, name: &str) -> String {
        self.cluster.topic(name)
    }

    fn client(&self, operation: OperationType) -> Client {
        let sends = matches!(operation, OperationType::Create | OperationType::Send);
        Client {
            server: Some((self.server.0.clone().into(), self.server.1)),
            group: (!sends).then(|| self.cluster.group().into()),
            span_attributes: vec![
                ("messaging.client.id", "conformance".into()),
                ("messaging.kafka.cluster.id", any()),
            ],
        }
    }

    async fn send(&self, message: Outgoing) -> Result<Place, Outgoing> {
        self.make_topics([&*message.destination]).await;
        let topic = self.cluster.topic(&message.destination);
        let (producer, timeout, change) = self.next();
        let mut record = record(&message, &topic);
        change(&mut record);
        self.result(producer.send(record, timeout).await)
    }

    async fn send_with_context(
        &self,
        message: Outgoing,
        creation: &CreationContext,
    ) -> Result<Place, Outgoing> {
        self.make_topics([&*message.destination]).await;
        let topic = self.cluster.topic(&message.destination);
        let record = record(&message, &topic);
        self.result(self.producer.send_with_context(record, creation, PATIENCE).await)
    }

    async fn send_and_forget(&self, message: Outgoing) {
        self.make_topics([&*message.destination]).await;
        let topic = self.cluster.topic(&message.destination);
        // The answer may be there already.
        drop(self.producer.send(record(&message, &topic), PATIENCE).now_or_never());
    }

    async fn send_batch(&self, messages: Vec<Outgoing>) -> Vec<Result<Place, Outgoing>> {
        self.make_topics(messages.iter().map(|message| &*message.destination)).await;
        let topics = messages.iter().map(|message| self.cluster.topic(&message.destination));
        let topics: Vec<String> = topics.collect();
        let (producer, timeout, change) = self.next();
        let mut records: Vec<_> =
            messages.iter().zip(&topics).map(|(message, topic)| record(message, topic)).collect();
        records.iter_mut().for_each(change);
        let results = producer.send_batch(records, timeout).await;
        results.into_iter().map(|result| self.result(result)).collect()
    }

    async fn send_foreign(&self, messages: Vec<Outgoing>) {
        self.make_topics(messages.iter().map(|message| &*message.destination)).await;
        for message in &messages {
            let topic = self.cluster.topic(&message.destination);
            let sent = self.foreign.send(record(message, &topic), PATIENCE).await;
            sent.expect("it is delivered");
        }
    }

    async fn receive(&self) -> Result<BorrowedMessage<'_>, Failing> {
        let received =
            timeout(PATIENCE, self.consumer.recv()).await.expect("a message comes in time");
        received.map_err(|error| failing(&error))
    }

    async fn receive_batch(&self, count: usize) -> Result<Batch<BorrowedMessage<'_>>, Failing> {
        let mut batches = self.consumer.batches(count, PATIENCE);
        let batch = timeout(PATIENCE, batches.next()).await.expect("a message comes in time");
        batch.expect("it never ends").map_err(|error| failing(&error))
    }

    async fn receive_nothing(&self) {
        assert!(self.consumer.recv().now_or_never().is_none());
    }

    async fn settle<'a>(&'a self, message: &BorrowedMessage<'a>) -> Result<(), Failing> {
        let settled = self.consumer.commit_message(message, CommitMode::Sync);
        self.cluster.accept_commits();
        settled.map_err(|error| failing(&error))
    }

    fn inject(&self, fault: Fault) -> Option<Failing> {
        match fault {
            Fault::Stall => {
                self.set_next(Next::Stalls);
                Some(Failing { error_type: "cancelled".into(), description: "".into() })
            }
            Fault::Refuse => {
                self.set_next(Next::IsRefusedHere);
                Some(failing(&KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)))
            }
            Fault::Fail => {
                let (code, change) = self.cluster.refuse_records();
                self.set_next(Next::IsRefusedThere(change));
                Some(failing(&KafkaError::MessageProduction(code)))
            }
            Fault::Receive => {
                let mut nowhere = TopicPartitionList::new();
                let (topic, offset) = (self.cluster.topic("orders"), Offset::Offset(1 << 40));
                nowhere.add_partition_offset(&topic, 0, offset).expect("it is a place");
                self.consumer.assign(&nowhere).expect("it is assigned");
                Some(failing(&KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset)))
            }
            Fault::Settle => {
                let code = self.cluster.refuse_commits();
                Some(failing(&KafkaError::ConsumerCommit(code)))
            }
        }
    }

    /// Makes the largest record that the client takes: a context would make it too large.
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

fn record<'a>(message: &'a Outgoing, topic: &'a str) -> FutureRecord<'a, [u8], [u8]> {
    FutureRecord {
        topic,
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

fn failing(error: &KafkaError) -> Failing {
    let code = error.rdkafka_error_code().expect("Kafka's errors have codes");
    Failing { error_type: format!("{code:?}").into(), description: error.to_string().into() }
}
