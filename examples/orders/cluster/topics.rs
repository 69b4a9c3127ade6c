//! Topics on a real cluster: created for a run, and deleted after it.

use otel_messaging_rdkafka as rdkafka;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    types::RDKafkaErrorCode,
};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Topics {
    admin: AdminClient<DefaultClientContext>,
    names: [String; 2],
    /// The consumer groups that come into being by themselves.
    groups: [String; 2],
}

impl Topics {
    /// Creates them all or none; the error is the cause.
    pub(super) async fn create(
        brokers: &str,
        suffix: &str,
        partitions: i32,
    ) -> Result<Self, String> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers);
        let it = Self {
            admin: config.create().map_err(|error| error.to_string())?,
            names: ["orders", "invoices"].map(|name| format!("{name}{suffix}")),
            groups: ["billing", "ledger"].map(|name| format!("{name}{suffix}")),
        };
        // -1: as many replicas as the cluster gives a topic by default.
        let topics = strs(&it.names)
            .map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(-1)));
        let results = it.admin.create_topics(&topics, &options()).await;
        let results = results.map_err(|error| error.to_string())?;
        if let Some((topic, code)) = results.into_iter().find_map(Result::err) {
            it.delete().await;
            return Err(format!("{topic}: {code}"));
        }
        Ok(it)
    }

    /// Says so if that fails: somebody has to clean up.
    pub(super) async fn delete(self) {
        let left_over = match self.admin.delete_topics(&strs(&self.names), &options()).await {
            Ok(results) => results
                .into_iter()
                .filter_map(Result::err)
                .filter(|(_, code)| *code != RDKafkaErrorCode::UnknownTopicOrPartition)
                .map(|(topic, code)| format!("{topic} ({code})"))
                .collect(),
            Err(error) => vec![format!("{} ({error})", self.names.join(" and "))],
        };
        if !left_over.is_empty() {
            eprintln!("orders: please delete the topics {}", left_over.join(" and "));
        }
        // Groups without members expire: nothing is lost if this does not work.
        let _ = self.admin.delete_groups(&strs(&self.groups), &options()).await;
    }
}

fn strs(names: &[String; 2]) -> [&str; 2] {
    names.each_ref().map(String::as_str)
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}
