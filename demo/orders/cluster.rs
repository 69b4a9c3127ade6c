//! The Kafka that the services talk over: embedded, or a real cluster with topics for this run.

use std::fmt;

use otel_messaging::rdkafka; // was: the rdkafka crate itself
use otel_messaging_demo::{Result, all, kafka, service};
use rdkafka::{ClientConfig, mocking::MockCluster, producer::DefaultProducerContext};
use tokio::runtime::Runtime;

/// The variables that tell a service where Kafka is, and that it is embedded.
const BROKERS: &str = "OTEL_MESSAGING_KAFKA";
const EMBEDDED: &str = "OTEL_MESSAGING_DEMO_EMBEDDED";

const TOPICS: [&str; 2] = ["orders", "invoices"];
const GROUPS: [&str; 2] = ["billing", "ledger"];

pub(crate) struct Cluster {
    brokers: String,
    pub(crate) suffix: String,
    /// Stops when it is dropped.
    embedded: Option<MockCluster<'static, DefaultProducerContext>>,
}

impl Cluster {
    /// Starts librdkafka's own broker in this process.
    pub(crate) fn embedded() -> Result<Self> {
        let cluster = MockCluster::new(1)?;
        for topic in TOPICS {
            cluster.create_topic(topic, kafka::PARTITIONS, 1)?;
        }
        let (brokers, suffix) = (cluster.bootstrap_servers(), String::new());
        Ok(Self { brokers, suffix, embedded: Some(cluster) })
    }

    /// Creates topics for this run on a cluster that is there already.
    pub(crate) fn real(brokers: &str) -> Result<Self> {
        let it = Self { brokers: brokers.to_owned(), suffix: all::suffix(), embedded: None };
        let topics = it.names(TOPICS);
        let created = Runtime::new()?.block_on(kafka::create_topics(brokers, &topics));
        created.map_err(|error| {
            format!(
                "{} could not be created at {brokers}: {error}; is Kafka there, and may you create \
                 topics?",
                topics.join(" and ")
            )
        })?;
        Ok(it)
    }

    /// Deletes what this run has left on a real cluster.
    pub(crate) async fn remove(&self) -> Result {
        if self.embedded.is_some() {
            return Ok(());
        }
        kafka::delete(&self.brokers, &self.names(TOPICS), &self.names(GROUPS)).await
    }

    fn names(&self, names: [&str; 2]) -> [String; 2] {
        names.map(|name| format!("{name}{}", self.suffix))
    }

    /// Returns the variables from which a service makes its settings.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let embedded = if self.embedded.is_some() { "true" } else { "" };
        let variables = [(BROKERS, self.brokers.as_str()), (EMBEDDED, embedded)];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.embedded.is_some() { "an embedded Kafka" } else { "Kafka" };
        write!(f, "{kind} at {}", self.brokers)
    }
}

/// Returns the settings of a producer.
pub(crate) fn producer(service: &str) -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", service::broker(BROKERS, "host:9092")?);
    config.set("client.id", service).set("message.timeout.ms", "10000");
    config.set("linger.ms", "0"); // Billing waits for each invoice: no other would join it.
    Ok(config)
}

/// Returns the settings of a consumer.
pub(crate) fn consumer(service: &str, group: &str) -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", service::broker(BROKERS, "host:9092")?);
    config.set("client.id", service).set("group.id", group);
    config.set("auto.offset.reset", "earliest"); // Orders may be there before their consumer.
    config.set("enable.auto.commit", "false"); // Only what was processed is committed.
    if service::variable(EMBEDDED).is_some() {
        // The embedded broker makes a group of the classic protocol wait for three seconds,
        config.set("group.protocol", "consumer");
        // and answers a fetch only when its time is up, even if there are messages before that.
        config.set("fetch.wait.max.ms", "20");
    }
    Ok(config)
}
