//! Kafka in this process: librdkafka's own broker, over loopback.

use std::fmt;

use otel_messaging::rdkafka::{
    ClientConfig, mocking::MockCluster, producer::DefaultProducerContext,
};

use crate::Result;

/// The topic that orders are sent to.
pub const TOPIC: &str = "orders";

/// A cluster that lives as long as this.
pub struct Cluster(MockCluster<'static, DefaultProducerContext>);

impl Cluster {
    /// Starts a cluster with the one topic.
    ///
    /// # Errors
    /// Those of the client.
    pub fn start() -> Result<Self> {
        let cluster = MockCluster::new(1)?;
        cluster.create_topic(TOPIC, 1, 1)?;
        Ok(Self(cluster))
    }

    /// The settings of a producer.
    pub fn producer(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.0.bootstrap_servers());
        config
    }

    /// The settings of a consumer that reads the topic from its beginning.
    pub fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.producer();
        config.set("group.id", group).set("auto.offset.reset", "earliest");
        // The embedded broker lets a group of the classic protocol wait for three seconds,
        config.set("group.protocol", "consumer");
        // and answers a fetch when its time is up, even if there are messages before that.
        config.set("fetch.wait.max.ms", "20");
        config
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cluster").field(&self.0.bootstrap_servers()).finish()
    }
}
