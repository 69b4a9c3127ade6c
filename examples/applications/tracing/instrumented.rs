//! A service that uses `tracing`, on Kafka: customers check out, each order is billed while a task
//! mails the receipt, and the ledger books each bill.
//!
//! `cargo run -p otel-messaging-applications --bin tracing-instrumented`, with a broker at
//! 127.0.0.1:9092 or where `OTEL_MESSAGING_KAFKA` says.

use std::{env, error::Error, time::Duration, time::SystemTime};

use opentelemetry::{global, trace::TracerProvider};
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::{metrics::SdkMeterProvider, trace::SdkTracerProvider};
use otel_messaging::rdkafka;
use rdkafka::{
    ClientConfig, Message,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    consumer::{CommitMode, Consumer, StreamConsumer},
    message::BorrowedMessage,
    producer::{FutureProducer, FutureRecord},
};
use tracing::{Instrument, info, instrument, level_filters::LevelFilter};
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

const PRICES: [u32; 4] = [3, 1, 5, 2];
const PATIENCE: Duration = Duration::from_secs(60);

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result {
    let (traces, metrics) = telemetry()?;
    let servers = env::var("OTEL_MESSAGING_KAFKA").unwrap_or_else(|_| "127.0.0.1:9092".to_owned());
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &servers);
    config.set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
    // No other run has these names.
    let id = SystemTime::UNIX_EPOCH.elapsed()?.as_micros();
    let topics = ["orders", "bills", "mails"].map(|topic| format!("{topic}-{id}"));
    let topics = topics.each_ref().map(String::as_str);
    let admin: AdminClient<_> = config.create()?;
    let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(10)));
    let new = topics.map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1)));
    let made = admin.create_topics(&new, &options).await;
    made.map_err(|error| format!("is there a Kafka at {servers}? {error}"))?;

    let done = tokio::time::timeout(PATIENCE, run(&config, topics)).await;
    admin.delete_groups(&topics[..2], &options).await?;
    admin.delete_topics(&topics, &options).await?;
    if let Err(error) = traces.shutdown().and(metrics.shutdown()) {
        eprintln!("telemetry is incomplete: {error}; is there a collector?");
    }
    println!("{}", done.map_err(|_| "too slow: what does Kafka log?")??);
    Ok(())
}

/// Exports telemetry to where the `OTEL_EXPORTER_OTLP_` variables say.
fn telemetry() -> Result<(SdkTracerProvider, SdkMeterProvider)> {
    let exporter = SpanExporter::builder().with_http().build()?;
    let traces = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    global::set_tracer_provider(traces.clone());
    let exporter = MetricExporter::builder().with_http().build()?;
    let metrics = SdkMeterProvider::builder().with_periodic_exporter(exporter).build();
    global::set_meter_provider(metrics.clone());
    let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer("billing"));
    tracing_subscriber::registry().with(spans.with_filter(LevelFilter::INFO)).try_init()?;
    Ok((traces, metrics))
}

async fn run(config: &ClientConfig, [orders, bills, mails]: [&str; 3]) -> Result<String> {
    let producer: FutureProducer = config.create()?;
    for price in PRICES {
        check_out(&producer, orders, price).await?;
    }
    let (consumer, ledger, mut sum) = (consume(config, orders)?, consume(config, bills)?, 0);
    for _ in PRICES {
        let order = consumer.recv().await?;
        order.process(bill(&producer, &order, [bills, mails])).await?;
        consumer.commit_message(&order, CommitMode::Async)?;
        let bill = ledger.recv().await?;
        sum += bill.process_sync(|| book(&bill))?;
        ledger.commit_message(&bill, CommitMode::Async)?;
    }
    Ok(format!("{} orders billed and mailed, {sum} booked", PRICES.len()))
}

fn consume(config: &ClientConfig, topic: &str) -> Result<StreamConsumer> {
    let consumer: StreamConsumer = config.clone().set("group.id", topic).create()?;
    consumer.subscribe(&[topic])?;
    Ok(consumer)
}

#[instrument(skip_all)]
async fn check_out(producer: &FutureProducer, orders: &str, price: u32) -> Result {
    send(producer, orders, price.to_string().as_bytes()).await
}

#[instrument(skip_all)]
async fn bill(to: &FutureProducer, order: &BorrowedMessage<'_>, topics: [&str; 2]) -> Result {
    let ([bills, mails], price) = (topics, order.payload().unwrap_or_default());
    let mail = mail(to.clone(), mails.to_owned(), price.to_owned()).in_current_span();
    let mail = tokio::spawn(mail);
    send(to, bills, price).await?;
    info!("billed");
    mail.await?
}

#[instrument(skip_all)]
async fn mail(producer: FutureProducer, mails: String, receipt: Vec<u8>) -> Result {
    send(&producer, &mails, &receipt).await
}

async fn send(producer: &FutureProducer, topic: &str, payload: &[u8]) -> Result {
    let record = FutureRecord::<(), _>::to(topic).payload(payload);
    producer.send(record, PATIENCE).await.map(drop).map_err(|(error, _)| error.into())
}

fn book(bill: &BorrowedMessage<'_>) -> Result<u32> {
    info!("booked");
    Ok(str::from_utf8(bill.payload().unwrap_or_default())?.parse()?)
}
