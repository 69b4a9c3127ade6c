//! Topics of one test.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use futures::executor::block_on;
use otel_messaging_integration_tests::{kafka, unique};
use otel_messaging_rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};

use crate::support::PATIENCE;

/// Topics with a unique suffix. They are deleted when this is dropped, because the cluster may be
/// used for other work.
pub(crate) struct Topics {
    admin: AdminClient<DefaultClientContext>,
    suffix: String,
    made: Mutex<Vec<String>>,
}

impl Topics {
    /// Makes topics on the shared cluster.
    pub(crate) fn new() -> Self {
        Self::on(&kafka())
    }

    /// Makes topics on the cluster with these bootstrap servers.
    pub(crate) fn on(servers: &str) -> Self {
        let admin = ClientConfig::new().set("bootstrap.servers", servers).create();
        let admin: AdminClient<_> = admin.expect("the client is made");
        // Otherwise each test would wait for its time limit where there is no broker.
        let answer = admin.inner().fetch_metadata(None, Duration::from_secs(10));
        answer.expect("Kafka does not answer: look at it with `cargo xtask brokers status kafka`");
        Self { admin, suffix: format!(".{}", unique()), made: Mutex::default() }
    }

    /// Returns the topic's real name.
    pub(crate) fn full_name(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    /// Returns the name that the test uses.
    pub(crate) fn short_name<'t>(&self, topic: &'t str) -> &'t str {
        topic.strip_suffix(&self.suffix).expect("the topic is this test's")
    }

    /// Makes topics of these real names.
    pub(crate) async fn make(&self, topics: &[String], partitions: i32, config: &[(&str, &str)]) {
        if topics.is_empty() {
            return;
        }
        let topic = |name| NewTopic {
            name,
            num_partitions: partitions,
            replication: TopicReplication::Fixed(1),
            config: config.to_vec(),
        };
        let new: Vec<_> = topics.iter().map(|name| topic(name)).collect();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let results = self.admin.create_topics(&new, &options).await;
        for result in results.expect("the cluster answers") {
            result.expect("the topic is made");
        }
        self.made.lock().unwrap().extend_from_slice(topics);
        for topic in topics {
            (0..partitions).for_each(|partition| self.wait_for_leader(topic, partition));
        }
    }

    /// A topic is known before its partitions have a leader that answers. What is sent until then
    /// is sent again, behind what was sent later.
    fn wait_for_leader(&self, topic: &str, partition: i32) {
        let (client, deadline) = (self.admin.inner(), Instant::now() + PATIENCE);
        while let Err(error) = client.fetch_watermarks(topic, partition, PATIENCE) {
            assert!(Instant::now() < deadline, "{topic} has no leader: {error}");
            // The client uses the metadata that it has.
            client.fetch_metadata(Some(topic), PATIENCE).expect("the cluster answers");
        }
    }

    /// Makes one topic, and returns its real name.
    pub(crate) async fn make_one(&self, name: &str, partitions: i32) -> String {
        let topic = self.full_name(name);
        self.make(std::slice::from_ref(&topic), partitions, &[]).await;
        topic
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        let made = self.made.lock().unwrap();
        let names: Vec<&str> = made.iter().map(String::as_str).collect();
        if !names.is_empty() {
            // An error does no harm: a test may have killed the broker.
            let _ = block_on(self.admin.delete_topics(&names, &AdminOptions::new()));
        }
    }
}
