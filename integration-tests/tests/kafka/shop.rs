//! A shop that sells on a topic of its own: what most scenarios start with.

use futures::future::join_all;
use otel_messaging_integration_tests::kafka;
use otel_messaging_rdkafka::{
    ClientConfig, Message,
    message::BorrowedMessage,
    otel::semconv,
    producer::{FutureProducer, FutureRecord},
};

use crate::{
    support::{Attribute, Clients, PATIENCE},
    topics::Topics,
};

/// Instrumented clients of the shared cluster, and a topic that nobody else has.
pub(crate) struct Shop {
    pub(crate) topics: Topics,
    pub(crate) clients: Clients,
    /// The topic's name.
    pub(crate) orders: String,
}

impl Shop {
    pub(crate) async fn open(partitions: i32) -> Self {
        Self::open_with(partitions, &[]).await
    }

    /// With these settings of the topic.
    pub(crate) async fn open_with(partitions: i32, config: &[(&str, &str)]) -> Self {
        Self::of(Clients::of(kafka()), partitions, config).await
    }

    /// Of these clients, on their cluster.
    pub(crate) async fn of(clients: Clients, partitions: i32, config: &[(&str, &str)]) -> Self {
        let topics = Topics::on(&clients.servers);
        let orders = topics.full_name("orders");
        topics.make(std::slice::from_ref(&orders), partitions, config).await;
        Self { topics, clients, orders }
    }

    /// The settings of a consumer in this test's group.
    pub(crate) fn consumer_config(&self) -> ClientConfig {
        let mut config = self.clients.consumer_config();
        config.set("group.id", self.topics.full_name("group"));
        config
    }

    /// An order that is called `name`.
    pub(crate) fn order<'a>(&'a self, partition: i32, name: &'a str) -> FutureRecord<'a, str, str> {
        FutureRecord::to(&self.orders).partition(partition).key(name).payload(name)
    }

    /// Sends orders to a partition, all at once, and waits until they are delivered.
    pub(crate) async fn sell(&self, producer: &FutureProducer, partition: i32, names: &[String]) {
        let sends = names.iter().map(|name| producer.send(self.order(partition, name), PATIENCE));
        for sent in join_all(sends).await {
            sent.expect("it is delivered");
        }
    }
}

/// The attributes of a metric of operations on the topic's first partition; a duration's are
/// `typed`.
pub(crate) fn labels(
    shop: &Shop,
    verb: &'static str,
    operation: &'static str,
    typed: bool,
) -> Vec<Attribute> {
    let mut labels = shop.clients.attributes(verb, operation, Some(&shop.orders));
    labels.retain(|(key, _)| {
        !["messaging.client.id", "messaging.kafka.cluster.id"].contains(key)
            && (typed || *key != semconv::OPERATION_TYPE)
    });
    labels.push((semconv::DESTINATION_PARTITION_ID, "0".into()));
    labels
}

/// The boundaries of a duration's histogram that the conventions advise.
pub(crate) const BOUNDARIES: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// What orders are called that differ by a number.
pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix}-{index}")).collect()
}

/// Where a message is: its partition and offset.
pub(crate) fn place(message: &BorrowedMessage<'_>) -> (i32, i64) {
    (message.partition(), message.offset())
}
