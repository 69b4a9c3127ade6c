//! Kafka: a service checks what customers send, forwards orders to the ledger, which books them in
//! batches, and sends everything else to the dead letters.
//!
//! `cargo run -p otel-messaging-applications --bin kafka-bare`, with a broker at
//! 127.0.0.1:9092 or where `OTEL_MESSAGING_KAFKA` says.

use std::{env, error::Error, time::Duration, time::SystemTime};

use futures::StreamExt;
use rdkafka::{
    ClientConfig, Message,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    consumer::{CommitMode, Consumer, StreamConsumer},
    message::{BorrowedHeaders, BorrowedMessage},
    producer::{FutureProducer, FutureRecord},
};

const SENT: [&str; 7] = ["3 apples", "1 pear", "hello", "5 figs", "?", "2 pears", "8 figs"];
const PATIENCE: Duration = Duration::from_secs(60);

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result {
    let servers = env::var("OTEL_MESSAGING_KAFKA").unwrap_or_else(|_| "127.0.0.1:9092".to_owned());
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &servers);
    config.set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
    // No other run has these names.
    let id = SystemTime::UNIX_EPOCH.elapsed()?.as_micros();
    let topics = ["orders", "accepted", "dead"].map(|topic| format!("{topic}-{id}"));
    let topics = topics.each_ref().map(String::as_str);
    let admin: AdminClient<_> = config.create()?;
    let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(10)));
    let new = topics.map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1)));
    let made = admin.create_topics(&new, &options).await;
    made.map_err(|error| format!("is there a Kafka at {servers}? {error}"))?;

    let done = tokio::time::timeout(PATIENCE, run(&config, topics)).await;
    admin.delete_groups(&topics[..2], &options).await?;
    admin.delete_topics(&topics, &options).await?;
    println!("{}", done.map_err(|_| "too slow: what does Kafka log?")??);
    Ok(())
}

async fn run(config: &ClientConfig, [orders, accepted, dead]: [&str; 3]) -> Result<String> {
    let producer: FutureProducer = config.create()?;
    for order in SENT {
        let record = FutureRecord::<(), _>::to(orders).payload(order);
        producer.send(record, PATIENCE).await.map_err(|(error, _)| error)?;
    }

    let (consumer, mut count) = (consume(config, orders)?, 0);
    for _ in SENT {
        let order = consumer.recv().await?;
        let topic = if pieces(&order).is_ok() { accepted } else { dead };
        forward(&producer, &order, topic).await?;
        count += usize::from(topic == accepted);
        consumer.commit_message(&order, CommitMode::Async)?;
    }

    let (consumer, mut booked, mut sum) = (consume(config, accepted)?, 0, 0);
    let mut batches = consumer.stream().ready_chunks(100);
    while booked < count {
        let batch = batches.next().await.ok_or("the stream has ended")?;
        let batch = batch.into_iter().collect::<Result<Vec<_>, _>>()?;
        sum += book(&batch)?;
        consumer.commit_consumer_state(CommitMode::Sync)?;
        booked += batch.len();
    }
    Ok(format!("{} messages, {count} orders, {sum} pieces booked", SENT.len()))
}

fn consume(config: &ClientConfig, topic: &str) -> Result<StreamConsumer> {
    let consumer: StreamConsumer = config.clone().set("group.id", topic).create()?;
    consumer.subscribe(&[topic])?;
    Ok(consumer)
}

async fn forward(producer: &FutureProducer, order: &BorrowedMessage<'_>, topic: &str) -> Result {
    let headers = order.headers().map(BorrowedHeaders::detach).unwrap_or_default();
    let record = FutureRecord::<(), [u8]>::to(topic).headers(headers);
    let record = record.payload(order.payload().unwrap_or_default());
    producer.send(record, PATIENCE).await.map_err(|(error, _)| error)?;
    Ok(())
}

fn book(batch: &[BorrowedMessage<'_>]) -> Result<u32> {
    batch.iter().map(pieces).sum()
}

/// Returns how many pieces are ordered: 3 of `3 apples`.
fn pieces(order: &BorrowedMessage<'_>) -> Result<u32> {
    let text = str::from_utf8(order.payload().unwrap_or_default())?;
    Ok(text.split_once(' ').ok_or("no item")?.0.parse()?)
}
