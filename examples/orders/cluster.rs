//! The Kafka the services talk over: embedded, or a real cluster with topics for this run alone.

mod topics;

use self::topics::Topics;
use crate::failure::Failure;
use otel_messaging_rdkafka as rdkafka;
use rdkafka::{
    ClientConfig, error::KafkaError, mocking::MockCluster, producer::DefaultProducerContext,
};
use std::{fmt, process, time::SystemTime};

const PARTITIONS: i32 = 3;

pub(crate) struct Cluster {
    brokers: String,
    /// What makes the names of this run its own.
    suffix: String,
    kind: Kind,
}

enum Kind {
    Embedded {
        #[expect(dead_code, reason = "the brokers stop when it is dropped")]
        brokers: MockCluster<'static, DefaultProducerContext>,
    },
    Real(Topics),
}

impl Cluster {
    /// Starts librdkafka's own broker, in this process: real protocol, over loopback.
    pub(crate) fn embedded() -> Result<Self, Failure> {
        let start = || {
            let brokers = MockCluster::new(1)?;
            for topic in ["orders", "invoices"] {
                brokers.create_topic(topic, PARTITIONS, 1)?;
            }
            Ok(brokers)
        };
        let brokers = start().map_err(|error: KafkaError| {
            Failure::new(format!("the embedded Kafka did not start: {error}; try --brokers"))
        })?;
        Ok(Self {
            brokers: brokers.bootstrap_servers(),
            suffix: String::new(),
            kind: Kind::Embedded { brokers },
        })
    }

    /// Creates topics for this run on a cluster that is there already.
    pub(crate) async fn real(brokers: &str) -> Result<Self, Failure> {
        let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let suffix = format!("-{:x}-{:x}", since_epoch.as_millis(), process::id());
        let topics = Topics::create(brokers, &suffix, PARTITIONS).await.map_err(|cause| {
            Failure::new(format!(
                "cannot create topics at {brokers}: {cause}; is Kafka there, and may you?"
            ))
        })?;
        Ok(Self { brokers: brokers.to_owned(), suffix, kind: Kind::Real(topics) })
    }

    /// Leaves nothing behind.
    pub(crate) async fn remove(self) {
        if let Kind::Real(topics) = self.kind {
            topics.delete().await;
        }
    }

    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    pub(crate) fn producer(&self, service: &str) -> ClientConfig {
        let mut config = self.client(service);
        config.set("message.timeout.ms", "10000");
        config.set("linger.ms", "0"); // Billing waits for each invoice: nothing else would join it.
        config
    }

    pub(crate) fn consumer(&self, service: &str) -> ClientConfig {
        let mut config = self.client(service);
        config.set("group.id", self.topic(service));
        config.set("auto.offset.reset", "earliest"); // Orders may be there before their consumer.
        config.set("enable.auto.commit", "false"); // Committed is what has been processed.
        if matches!(self.kind, Kind::Embedded { .. }) {
            // The embedded broker lets a group of the classic protocol wait for three seconds,
            config.set("group.protocol", "consumer");
            // and answers a fetch when its time is up, even if there are messages before that.
            config.set("fetch.wait.max.ms", "20");
        }
        config
    }

    fn client(&self, service: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("client.id", service);
        config
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Embedded { .. } => write!(f, "an embedded Kafka at {}", self.brokers),
            Kind::Real(_) => write!(f, "Kafka at {}", self.brokers),
        }
    }
}
