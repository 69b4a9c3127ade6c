//! The conformance suite on librdkafka's embedded cluster.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod harness;
mod support;

use harness::{Cluster, Kafka};
use otel_messaging_rdkafka::{
    ClientConfig, bare,
    error::RDKafkaErrorCode,
    producer::{FutureRecord, Producer},
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use otel_messaging_testing::conformance;

conformance!(Kafka<Embedded>);

/// A cluster of one broker, embedded in a client of its own.
struct Embedded(bare::producer::BaseProducer);

impl Embedded {
    fn fail_next(&self, request: RDKafkaApiKey, error: RDKafkaRespErr) {
        let cluster = self.0.client().mock_cluster().expect("it is embedded");
        cluster.request_errors(request, &[error]);
    }
}

impl Cluster for Embedded {
    fn start() -> Self {
        let mut config = ClientConfig::new();
        Self(config.set("test.mock.num.brokers", "1").create().expect("a mock cluster starts"))
    }

    fn config(&self) -> ClientConfig {
        let servers = self.0.client().mock_cluster().expect("it is embedded").bootstrap_servers();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers);
        config
    }

    fn group(&self) -> String {
        "conformance".into()
    }

    fn topic(&self, name: &str) -> String {
        name.to_owned()
    }

    fn name_of<'t>(&self, topic: &'t str) -> &'t str {
        topic
    }

    async fn make_topics(&self, topics: &[String], partitions: i32) {
        for topic in topics {
            let cluster = self.0.client().mock_cluster().expect("it is embedded");
            cluster.create_topic(topic, partitions, 1).expect("the topic is made");
        }
    }

    fn refuse_records(&self) -> (RDKafkaErrorCode, fn(&mut FutureRecord<'_, [u8], [u8]>)) {
        let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD;
        self.fail_next(RDKafkaApiKey::Produce, error);
        (RDKafkaErrorCode::InvalidRecord, |_| {})
    }

    fn refuse_commits(&self) -> RDKafkaErrorCode {
        let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
        self.fail_next(RDKafkaApiKey::OffsetCommit, error);
        RDKafkaErrorCode::GroupAuthorizationFailed
    }

    /// Does nothing: each error is returned once.
    fn accept_commits(&self) {}
}
