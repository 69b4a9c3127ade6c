//! A retry on RabbitMQ, with a delay queue and a dead-letter queue, and the spans that tell of it.
//!
//! ```sh
//! cargo xtask brokers up rabbitmq
//! cargo run -p otel-messaging-examples --bin rabbitmq-retry
//! ```

use std::{env, error::Error, fmt, process};

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

/// How often an order is tried before it is given up.
const ATTEMPTS: i64 = 3;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    global::set_tracer_provider(provider);

    let uri = env::var("OTEL_MESSAGING_RABBITMQ").unwrap_or_else(|_| "amqp://127.0.0.1".to_owned());
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let orders = format!("orders-{}", process::id());
    let (later, dead) = (format!("{orders}.later"), format!("{orders}.dead"));
    declare(&channel, &orders, Some(&later), None).await?;
    declare(&channel, &later, Some(&orders), Some(100)).await?;
    declare(&channel, &dead, None, None).await?;

    publish(&channel, &orders, b"7 apples", BasicProperties::default()).await?;
    let mut orders = consume(&channel, &orders).await?;
    let mut graves = consume(&channel, &dead).await?;
    let buried = loop {
        tokio::select! {
            Some(order) = orders.next() => {
                let order = order?;
                let _ = order.process(attempt(&channel, &order, &dead)).await;
            }
            Some(buried) = graves.next() => break buried?,
        }
    };
    println!("\"{}\" is dead; its story:", String::from_utf8_lossy(&buried.data));
    for span in exporter.get_finished_spans()? {
        let id = |context: &SpanContext| context.span_id().to_string();
        let links: Vec<_> = span.links.iter().map(|link| id(&link.span_context)).collect();
        println!("{} {:<27} linked to {links:?}", id(&span.span_context), span.name);
    }
    Ok(())
}

/// An order that fails is refused, whence it goes to the delay queue; after the last attempt it is
/// published to the dead, in a span that links to the order's own, whose context it replaces.
async fn attempt(channel: &Channel, order: &Delivery, dead: &str) -> Result<(), Box<dyn Error>> {
    if attempts(order) < ATTEMPTS {
        order.reject(BasicRejectOptions { requeue: false }).await?;
        return Err(Box::new(fmt::Error));
    }
    publish(channel, dead, &order.data, order.properties.clone()).await?;
    order.ack(BasicAckOptions::default()).await?;
    Ok(())
}

/// The broker counts in a header how often it has brought the order back.
fn attempts(order: &Delivery) -> i64 {
    let header = order.properties.headers().as_ref().and_then(|all| all.inner().get("x-death"));
    let Some(AMQPValue::FieldArray(deaths)) = header else { return 1 };
    let Some(AMQPValue::FieldTable(last)) = deaths.as_slice().first() else { return 1 };
    let Some(AMQPValue::LongLongInt(count)) = last.inner().get("count") else { return 1 };
    count + 1
}

async fn publish(
    channel: &Channel,
    queue: &str,
    body: &[u8],
    properties: BasicProperties,
) -> lapin::Result<()> {
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), queue.into(), options, body, properties).await?.await?;
    Ok(())
}

async fn consume(channel: &Channel, queue: &str) -> lapin::Result<lapin::Consumer> {
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    channel.basic_consume(queue.into(), "".into(), options, none).await
}

/// A queue that goes away when nobody needs it, and sends what it gives up to another one.
async fn declare(
    channel: &Channel,
    queue: &str,
    dead_letters_to: Option<&str>,
    delay: Option<i32>,
) -> lapin::Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-expires".into(), AMQPValue::LongInt(60_000));
    if let Some(other) = dead_letters_to {
        arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("".into()));
        arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString(other.into()));
    }
    if let Some(delay) = delay {
        arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(delay));
    }
    channel.queue_declare(queue.into(), QueueDeclareOptions::default(), arguments).await?;
    Ok(())
}
