//! What the brokers hold for the demo: one topic, one queue, one stream. Whoever needs one and comes
//! first makes it.

use crate::{Result, day::Day};
use async_nats::jetstream::{self, stream};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use otel_messaging::{async_nats, lapin, rdkafka};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    types::RDKafkaErrorCode,
};
use std::time::{Duration, Instant};
use tokio::task;

const PATIENCE: Duration = Duration::from_secs(10);
const PARTITIONS: i32 = 3;

/// The topic of orders, when it is ready.
pub(crate) async fn topic(day: &Day) -> Result<String> {
    let name = day.name("orders");
    let admin = admin(day)?;
    // -1: as many replicas as the cluster gives a topic by default.
    let topic = NewTopic::new(&name, PARTITIONS, TopicReplication::Fixed(-1));
    for made in admin.create_topics(&[topic], &options()).await? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(format!("cannot create topic {topic}: {code}").into()),
        }
    }
    let topic = name.clone();
    task::spawn_blocking(move || wait_for_leaders(&admin, &topic)).await??;
    Ok(name)
}

/// A topic is known before its partitions have a leader that answers; whoever subscribes until then
/// is told that there is none.
fn wait_for_leaders(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result {
    let deadline = Instant::now() + PATIENCE;
    for partition in 0..PARTITIONS {
        while let Err(error) = admin.inner().fetch_watermarks(topic, partition, PATIENCE) {
            if Instant::now() > deadline {
                return Err(format!("topic {topic} has no leader: {error}").into());
            }
            // The client goes by what it heard last.
            admin.inner().fetch_metadata(Some(topic), PATIENCE)?;
        }
    }
    Ok(())
}

/// The queue of invoices.
pub(crate) async fn queue(day: &Day, channel: &Channel) -> Result<String> {
    let name = day.name("invoices");
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await?;
    Ok(name)
}

/// The day book: a stream from which is taken out what has been acknowledged.
pub(crate) async fn stream(day: &Day, jetstream: &jetstream::Context) -> Result<stream::Stream> {
    let name = day.name("day-book");
    let config = stream::Config {
        name: name.clone(),
        subjects: vec![name],
        retention: stream::RetentionPolicy::WorkQueue,
        ..Default::default()
    };
    Ok(jetstream.get_or_create_stream(config).await?)
}

/// Leaves nothing behind; the error says what is left.
pub(crate) async fn remove(day: &Day) -> Result {
    let (orders, invoices, day_book) =
        (day.name("orders"), day.name("invoices"), day.name("day-book"));
    let admin = admin(day)?;
    for deleted in admin.delete_topics(&[&orders], &options()).await? {
        match deleted {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((topic, code)) => return Err(format!("cannot delete topic {topic}: {code}").into()),
        }
    }
    // A group without members expires: nothing is lost if this does not work.
    let _ = admin.delete_groups(&[&day.name("billing")], &options()).await;

    let connection = Connection::connect(&day.rabbitmq, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    // There is no error where there is no queue.
    channel.queue_delete(invoices.into(), QueueDeleteOptions::default()).await?;
    connection.close(200, "the day is over".into()).await?;

    let jetstream = jetstream::new(async_nats::connect(&day.nats).await?);
    if jetstream.get_stream(&day_book).await.is_ok() {
        jetstream.delete_stream(&day_book).await?;
    }
    Ok(())
}

fn admin(day: &Day) -> Result<AdminClient<DefaultClientContext>> {
    Ok(ClientConfig::new().set("bootstrap.servers", &day.kafka).create()?)
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}
