//! NATS: a shop asks for a price and publishes orders to a stream, and a warehouse packs them as one
//! batch. Then every span is printed, with its parent and its links.
//!
//! Start a server (`cargo xtask brokers up nats`, or `docker compose --profile nats up --wait`), then
//! run `cargo run -p otel-messaging-examples --bin nats -- 127.0.0.1:4222`.

use std::{collections::HashMap, env, error::Error};

use async_nats::{
    Client,
    jetstream::{self, consumer::pull, stream},
};
use futures::StreamExt;
use opentelemetry::{
    KeyValue, global,
    trace::{FutureExt, SpanId, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use otel_messaging_async_nats as async_nats; // was: the async-nats crate itself

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    global::set_tracer_provider(provider.clone());

    let server = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4222".to_owned());
    let client = async_nats::connect(server).await?;
    let prices = client.subscribe("shop.price").await?;
    let responder = tokio::spawn(answer(client.clone(), prices));

    let span = opentelemetry::Context::current_with_span(global::tracer("shop").start("checkout"));
    checkout(&client).with_context(span.clone()).await?;
    span.span().end();

    pack(&client).await?;
    responder.abort();
    provider.force_flush()?;
    print(&exporter)
}

/// Answers requests. The span that publishes an answer is a child of the one that processes its
/// request.
async fn answer(client: Client, mut requests: async_nats::Subscriber) -> Result {
    while let Some(request) = requests.next().await {
        let Some(reply) = request.reply.clone() else { continue };
        request.process(client.publish(reply, "7".into())).await?;
    }
    Ok(())
}

/// Requests the price, and publishes three orders.
async fn checkout(client: &Client) -> Result {
    let price = client.request("shop.price", "apple".into()).await?;
    let jetstream = jetstream::new(client.clone());
    let config = stream::Config {
        name: "SHOP".to_owned(),
        subjects: vec!["shop.orders".to_owned()],
        storage: stream::StorageType::Memory,
        ..Default::default()
    };
    jetstream.get_or_create_stream(config).await?;
    for _ in 0..3 {
        jetstream.publish("shop.orders", price.payload.clone()).await?.await?;
    }
    Ok(())
}

/// Packs all orders of the stream in one span, with a link for each order.
async fn pack(client: &Client) -> Result {
    let jetstream = jetstream::new(client.clone());
    let stream = jetstream.get_stream("SHOP").await?;
    let config = pull::Config { durable_name: Some("warehouse".to_owned()), ..Default::default() };
    let consumer = stream.create_consumer(config).await?;
    let orders = consumer.fetch().max_messages(100).messages().await?.into_batch().await?;
    let orders = orders.with_link_attributes(|order| {
        vec![KeyValue::new("shop.apples", String::from_utf8_lossy(&order.payload).into_owned())]
    });
    orders
        .process(async {
            for order in &orders {
                order.double_ack().await?;
            }
            Ok::<_, async_nats::Error>(())
        })
        .await?;
    jetstream.delete_stream("SHOP").await?;
    Ok(())
}

/// Prints each span's name and kind, its parent, and the spans that it links to.
fn print(exporter: &InMemorySpanExporter) -> Result {
    let spans = exporter.get_finished_spans()?;
    let names: HashMap<SpanId, &str> =
        spans.iter().map(|span| (span.span_context.span_id(), &*span.name)).collect();
    for span in &spans {
        print!("{:<24}{:<10}", span.name, format!("{:?}", span.span_kind).to_lowercase());
        if let Some(parent) = names.get(&span.parent_span_id) {
            print!("  in {parent}");
        }
        for link in &span.links.links {
            print!("  -> {}", names.get(&link.span_context.span_id()).unwrap_or(&"?"));
        }
        println!();
    }
    Ok(())
}
