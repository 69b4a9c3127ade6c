//! RabbitMQ: an order that fails is retried after a delay, and goes to a dead-letter queue after the
//! last attempt. Then every span is printed, with its links.
//!
//! ```sh
//! cargo xtask brokers up rabbitmq
//! cargo run -p otel-messaging-examples --bin rabbitmq-retry
//! ```

use std::{env, error::Error, process};

use futures::StreamExt;
use opentelemetry::{global, trace::SpanContext};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use otel_messaging_lapin as lapin; // was: the lapin crate itself

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicRejectOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};

/// How often an order is tried.
const ATTEMPTS: i64 = 3;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    global::set_tracer_provider(provider);

    let uri = env::var("OTEL_MESSAGING_RABBITMQ").unwrap_or_else(|_| "amqp://127.0.0.1".to_owned());
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let orders = format!("orders-{}", process::id());
    let (delayed, dead) = (format!("{orders}.delayed"), format!("{orders}.dead"));
    declare(&channel, &orders, Some(&delayed), None).await?;
    declare(&channel, &delayed, Some(&orders), Some(100)).await?;
    declare(&channel, &dead, None, None).await?;

    publish(&channel, &orders, b"7 apples", BasicProperties::default()).await?;
    let mut orders = consume(&channel, &orders).await?;
    let mut dead_letters = consume(&channel, &dead).await?;
    let dead_letter = loop {
        tokio::select! {
            Some(order) = orders.next() => {
                let order = order?;
                let _ = order.process(attempt(&channel, &order, &dead)).await;
            }
            Some(dead_letter) = dead_letters.next() => break dead_letter?,
        }
    };
    println!("dead letter: {}", String::from_utf8_lossy(&dead_letter.data));
    for span in exporter.get_finished_spans()? {
        let id = |context: &SpanContext| context.span_id().to_string();
        let links: Vec<_> = span.links.iter().map(|link| id(&link.span_context)).collect();
        println!("{} {:<27} -> {}", id(&span.span_context), span.name, links.join(", "));
    }
    Ok(())
}

/// Rejects the order, so that the broker moves it to the delay queue and back. After the last
/// attempt, publishes it to the dead-letter queue instead: that span's context replaces the order's
/// in the headers, and the span links to it.
async fn attempt(channel: &Channel, order: &Delivery, dead: &str) -> Result {
    if attempts(order) < ATTEMPTS {
        order.reject(BasicRejectOptions { requeue: false }).await?;
        return Err("the order failed".into());
    }
    publish(channel, dead, &order.data, order.properties.clone()).await?;
    order.ack(BasicAckOptions::default()).await?;
    Ok(())
}

/// Returns which attempt this is. The broker counts in a header how often it moved the order.
fn attempts(order: &Delivery) -> i64 {
    let header = order.properties.headers().as_ref().and_then(|all| all.inner().get("x-death"));
    let Some(AMQPValue::FieldArray(moves)) = header else { return 1 };
    let Some(AMQPValue::FieldTable(last)) = moves.as_slice().first() else { return 1 };
    let Some(AMQPValue::LongLongInt(count)) = last.inner().get("count") else { return 1 };
    count + 1
}

async fn publish(channel: &Channel, queue: &str, body: &[u8], with: BasicProperties) -> Result {
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), queue.into(), options, body, with).await?.await?;
    Ok(())
}

async fn consume(channel: &Channel, queue: &str) -> Result<lapin::Consumer> {
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    Ok(channel.basic_consume(queue.into(), "".into(), options, none).await?)
}

/// Declares a queue that expires when it is not used. What it rejects, or has held for `delay`
/// milliseconds, goes to another queue.
async fn declare(channel: &Channel, queue: &str, to: Option<&str>, delay: Option<i32>) -> Result {
    let mut arguments = FieldTable::default();
    arguments.insert("x-expires".into(), AMQPValue::LongInt(60_000));
    if let Some(to) = to {
        arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("".into()));
        arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString(to.into()));
    }
    if let Some(delay) = delay {
        arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(delay));
    }
    channel.queue_declare(queue.into(), QueueDeclareOptions::default(), arguments).await?;
    Ok(())
}
