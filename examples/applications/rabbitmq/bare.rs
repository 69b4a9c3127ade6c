//! RabbitMQ: a worker measures the pictures of a queue, and acknowledges each after the broker has
//! confirmed the result. It rejects what is not a picture, which the broker moves to the dead letters.
//!
//! `cargo run -p otel-messaging-applications --bin rabbitmq-bare`, with a broker at
//! `amqp://127.0.0.1` or where `OTEL_MESSAGING_RABBITMQ` says.

use std::{env, error::Error, time::Duration, time::SystemTime};

use futures::{StreamExt, TryStreamExt};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicRejectOptions,
        ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue::LongString, FieldTable},
};

const PICTURES: [&str; 5] = ["640 480", "16 16", "wide high", "1024 768", "800"];

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result {
    let uri = env::var("OTEL_MESSAGING_RABBITMQ").unwrap_or_else(|_| "amqp://127.0.0.1".to_owned());
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    // No other run has these names.
    let id = SystemTime::UNIX_EPOCH.elapsed()?.as_micros();
    let queues = ["pictures", "sizes", "dead"].map(|queue| format!("{queue}-{id}"));
    let queues = queues.each_ref().map(String::as_str);

    let done = tokio::time::timeout(Duration::from_secs(60), run(&channel, queues)).await;
    let channel = connection.create_channel().await?; // an error closes the channel
    for queue in queues {
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    }
    println!("{}", done.map_err(|_| "too slow: what does RabbitMQ log?")??);
    Ok(())
}

async fn run(channel: &Channel, [pictures, sizes, dead]: [&str; 3]) -> Result<String> {
    let (mut dead_letters, none) = (FieldTable::default(), FieldTable::default());
    dead_letters.insert("x-dead-letter-exchange".into(), LongString("".into()));
    dead_letters.insert("x-dead-letter-routing-key".into(), LongString(dead.into()));
    for (queue, arguments) in [(pictures, dead_letters), (sizes, none.clone()), (dead, none)] {
        channel.queue_declare(queue.into(), QueueDeclareOptions::default(), arguments).await?;
    }
    for picture in PICTURES {
        publish(channel, pictures, picture).await?;
    }

    let mut measured = 0;
    let mut work = consume(channel, pictures).await?.take(PICTURES.len());
    while let Some(picture) = work.try_next().await? {
        if measure(channel, &picture, sizes).await.is_ok() {
            picture.ack(BasicAckOptions::default()).await?;
            measured += 1;
        } else {
            picture.reject(BasicRejectOptions { requeue: false }).await?;
        }
    }
    let sizes = collect(channel, sizes, measured).await?;
    let dead = collect(channel, dead, PICTURES.len() - measured).await?;
    Ok(format!("measured: {sizes:?}, dead: {dead:?}"))
}

/// Publishes the size of a picture such as `640 480`.
async fn measure(channel: &Channel, picture: &Delivery, sizes: &str) -> Result {
    let (width, height) = text(picture)?.split_once(' ').ok_or("one side only")?;
    let size = width.parse::<u32>()? * height.parse::<u32>()?;
    publish(channel, sizes, &size.to_string()).await
}

async fn publish(channel: &Channel, queue: &str, body: &str) -> Result {
    let (queue, body, options) = (queue.into(), body.as_bytes(), BasicPublishOptions::default());
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let confirm = channel.basic_publish("".into(), queue, options, body, persistent).await?.await?;
    if confirm.is_nack() { Err("not confirmed".into()) } else { Ok(()) }
}

async fn collect(channel: &Channel, queue: &str, count: usize) -> Result<Vec<String>> {
    let (mut messages, mut texts) = (consume(channel, queue).await?.take(count), Vec::new());
    while let Some(message) = messages.try_next().await? {
        texts.push(text(&message)?.to_owned());
        message.ack(BasicAckOptions::default()).await?;
    }
    Ok(texts)
}

async fn consume(channel: &Channel, queue: &str) -> Result<Consumer> {
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    Ok(channel.basic_consume(queue.into(), "".into(), options, none).await?)
}

fn text(message: &Delivery) -> Result<&str> {
    Ok(str::from_utf8(&message.data)?)
}
