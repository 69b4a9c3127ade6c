//! NATS: a shop requests prices from a service and publishes orders to a stream, from which the
//! warehouse fetches them in batches.
//!
//! `cargo run -p otel-messaging-applications --bin nats-instrumented`, with a server at
//! 127.0.0.1:4222 or where `OTEL_MESSAGING_NATS` says.

use std::{env, error::Error, time::Duration, time::SystemTime};

use async_nats::{
    Client, Message, Subscriber,
    jetstream::{self, consumer::pull, stream},
};
use futures::StreamExt;
use opentelemetry::global;
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::{metrics::SdkMeterProvider, trace::SdkTracerProvider};
use otel_messaging::async_nats;

const BASKET: [&str; 7] = ["apple", "pear", "fig", "apple", "stone", "fig", "pear"];

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result {
    let (traces, metrics) = telemetry()?;
    let server = env::var("OTEL_MESSAGING_NATS").unwrap_or_else(|_| "127.0.0.1:4222".to_owned());
    let client = async_nats::connect(server).await?;
    // No other run has this name.
    let shop = format!("shop-{}", SystemTime::UNIX_EPOCH.elapsed()?.as_micros());
    let requests = client.queue_subscribe(format!("{shop}.price"), "prices".to_owned()).await?;
    let prices = tokio::spawn(answer(client.clone(), requests));

    let jetstream = jetstream::new(client.clone());
    let done = tokio::time::timeout(Duration::from_secs(60), run(&client, &jetstream, &shop)).await;
    jetstream.delete_stream(&shop).await?;
    prices.abort();
    if let Err(error) = traces.shutdown().and(metrics.shutdown()) {
        eprintln!("telemetry is incomplete: {error}; is there a collector?");
    }
    println!("{}", done.map_err(|_| "too slow: what does NATS log?")??);
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
    Ok((traces, metrics))
}

async fn run(client: &Client, jetstream: &jetstream::Context, shop: &str) -> Result<String> {
    let orders = format!("{shop}.orders");
    let config = stream::Config {
        name: shop.to_owned(),
        subjects: vec![orders.clone()],
        storage: stream::StorageType::Memory,
        ..Default::default()
    };
    let stream = jetstream.create_stream(config).await?;
    let mut ordered = 0;
    for item in BASKET {
        let price = client.request(format!("{shop}.price"), item.into()).await?;
        if !price.payload.is_empty() {
            jetstream.publish(orders.clone(), price.into_inner().payload).await?.await?;
            ordered += 1;
        }
    }

    let config = pull::Config { durable_name: Some("warehouse".to_owned()), ..Default::default() };
    let warehouse = stream.create_consumer(config).await?;
    let (mut packed, mut worth) = (0, 0);
    while packed < ordered {
        let orders = warehouse.fetch().max_messages(4).messages().await?;
        let orders = orders.into_batch().await?;
        worth += orders.process(pack(&orders)).await?;
        packed += orders.len();
    }
    Ok(format!("{} items wanted, {packed} packed, worth {worth}", BASKET.len()))
}

async fn answer(client: Client, mut requests: Subscriber) {
    while let Some(request) = requests.next().await {
        if let Err(error) = request.process(quote(&client, &request)).await {
            eprintln!("a request was not answered: {error}");
        }
    }
}

/// Answers with the price. The answer is empty if there is none.
async fn quote(client: &Client, request: &Message) -> Result {
    let price = match &request.payload[..] {
        b"apple" => "2",
        b"pear" => "3",
        b"fig" => "1",
        _ => "",
    };
    let reply = request.reply.clone().ok_or("nobody waits for the answer")?;
    Ok(client.publish(reply, price.into()).await?)
}

async fn pack(orders: &[jetstream::Message]) -> Result<u32> {
    let mut worth = 0;
    for order in orders {
        worth += str::from_utf8(&order.payload)?.parse::<u32>()?;
        order.ack().await?;
    }
    Ok(worth)
}
