//! Creates and deletes topics on a real cluster.

use std::time::{Duration, Instant};

use otel_messaging::rdkafka;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    types::RDKafkaErrorCode,
};
use tokio::task;

use crate::Result;

/// The longest time for the cluster to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many partitions a topic of the demo has.
pub const PARTITIONS: i32 = 3;

/// Creates the topics that are not there yet, and waits until they can be used.
///
/// Cancel safety: a topic may be there afterwards.
pub async fn create_topics(brokers: &str, names: &[String]) -> Result {
    let admin = admin(brokers)?;
    // -1: as many replicas as the cluster gives a topic by default.
    let replicas = || TopicReplication::Fixed(-1);
    let topics = names.iter().map(|name| NewTopic::new(name, PARTITIONS, replicas()));
    let topics: Vec<_> = topics.collect();
    for created in admin.create_topics(&topics, &options()).await? {
        match created {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(format!("cannot create topic {topic}: {code}").into()),
        }
    }
    let names = names.to_vec();
    task::spawn_blocking(move || names.iter().try_for_each(|name| wait_for_leaders(&admin, name)))
        .await?
}

/// Waits until each partition has a leader that answers: a consumer that subscribes before that
/// gets the error that there is no such topic.
fn wait_for_leaders(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result {
    let deadline = Instant::now() + PATIENCE;
    for partition in 0..PARTITIONS {
        while let Err(error) = admin.inner().fetch_watermarks(topic, partition, PATIENCE) {
            if Instant::now() > deadline {
                return Err(format!("topic {topic} has no leader: {error}").into());
            }
            // The client keeps the metadata that it got last.
            admin.inner().fetch_metadata(Some(topic), PATIENCE)?;
        }
    }
    Ok(())
}

/// Deletes topics, and consumer groups that have no members. It is no error if a topic is not there,
/// or if a group remains, which expires.
///
/// Cancel safety: some may be gone afterwards.
pub async fn delete(brokers: &str, topics: &[String], groups: &[String]) -> Result {
    let admin = admin(brokers)?;
    for deleted in admin.delete_topics(&strs(topics), &options()).await? {
        match deleted {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((topic, code)) => return Err(format!("cannot delete topic {topic}: {code}").into()),
        }
    }
    let _ = admin.delete_groups(&strs(groups), &options()).await;
    Ok(())
}

fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn admin(brokers: &str) -> Result<AdminClient<DefaultClientContext>> {
    Ok(ClientConfig::new().set("bootstrap.servers", brokers).create()?)
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}
