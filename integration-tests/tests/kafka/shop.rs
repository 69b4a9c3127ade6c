//! Instrumented clients and a topic for one test.

use futures::future::join_all;
use otel_messaging_integration_tests::kafka;
use otel_messaging_rdkafka::{
    ClientConfig, Message,
    message::BorrowedMessage,
    otel::Operation,
    producer::{FutureProducer, FutureRecord},
};

use crate::{
    support::{Attribute, Clients, PATIENCE, in_partition},
    topics::Topics,
};

/// Instrumented clients of the shared cluster, and a topic with a unique name.
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

    /// Makes a shop whose topic has these settings.
    pub(crate) async fn open_with(partitions: i32, config: &[(&str, &str)]) -> Self {
        Self::of(Clients::of(kafka()), partitions, config).await
    }

    /// Makes a shop with these clients, on their cluster.
    pub(crate) async fn of(clients: Clients, partitions: i32, config: &[(&str, &str)]) -> Self {
        let topics = Topics::on(&clients.servers);
        let orders = topics.full_name("orders");
        topics.make(std::slice::from_ref(&orders), partitions, config).await;
        Self { topics, clients, orders }
    }

    /// Returns the settings of a consumer in this test's group.
    pub(crate) fn consumer_config(&self) -> ClientConfig {
        let mut config = self.clients.consumer_config();
        config.set("group.id", self.topics.full_name("group"));
        config
    }

    /// Makes an order that is called `name`.
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

/// Returns the attributes of a metric of operations on the topic's first partition.
pub(crate) fn labels(shop: &Shop, operation: Operation) -> Vec<Attribute> {
    in_partition(0, shop.clients.labels(operation, Some(&shop.orders)))
}

/// Returns numbered names of orders.
pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix}-{index}")).collect()
}

/// Returns the partition and the offset of a message.
pub(crate) fn place(message: &BorrowedMessage<'_>) -> (i32, i64) {
    (message.partition(), message.offset())
}
