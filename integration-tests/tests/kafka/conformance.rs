//! The conformance suite on Apache Kafka.

use std::{sync::Mutex, time::Duration};

use otel_messaging_integration_tests::kafka;
use otel_messaging_rdkafka::{
    ClientConfig,
    bare::consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode,
    producer::FutureRecord,
};
use otel_messaging_testing::conformance;

use crate::{
    harness::{Cluster, Kafka},
    topics::Topics,
};

conformance!(Kafka<Shared>);

/// The shared cluster, on which each test has topics and a group of its own.
struct Shared {
    topics: Topics,
    /// A member of the group: while there is one, commits of other consumers fail.
    member: Mutex<Option<BaseConsumer>>,
}

impl Cluster for Shared {
    fn start() -> Self {
        Self { topics: Topics::new(), member: Mutex::default() }
    }

    /// Sends one record a request: with several, the broker returns another error for all of them.
    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", kafka())
            .set("batch.num.messages", "1")
            .set("max.in.flight", "1");
        config
    }

    fn group(&self) -> String {
        self.topics.full_name("group")
    }

    fn topic(&self, name: &str) -> String {
        self.topics.full_name(name)
    }

    fn name_of<'t>(&self, topic: &'t str) -> &'t str {
        self.topics.short_name(topic)
    }

    async fn make_topics(&self, topics: &[String], partitions: i32) {
        // The suite sends larger messages than a cluster takes by default.
        self.topics.make(topics, partitions, &[("max.message.bytes", "8000000")]).await;
    }

    /// Gives the record a timestamp of the year 5138, which brokers refuse.
    fn refuse_records(&self) -> (RDKafkaErrorCode, fn(&mut FutureRecord<'_, [u8], [u8]>)) {
        (RDKafkaErrorCode::InvalidTimestamp, |record| record.timestamp = Some(100_000_000_000_000))
    }

    /// Adds a member to the group. Only while there is none may a consumer commit that has assigned
    /// itself its partitions.
    fn refuse_commits(&self) -> RDKafkaErrorCode {
        let mut config = self.config();
        config.set("group.id", self.group()).set("group.protocol", "consumer");
        let member: BaseConsumer = config.create().expect("it is made");
        member.subscribe(&[&self.topic("orders")]).expect("the topic is subscribed to");
        while member.assignment().expect("it has one").count() == 0 {
            assert!(member.poll(Duration::from_millis(50)).is_none_or(|message| message.is_ok()));
        }
        *self.member.lock().unwrap() = Some(member);
        RDKafkaErrorCode::UnknownMemberId
    }

    fn accept_commits(&self) {
        self.member.lock().unwrap().take();
    }
}
