//! Kafka: a shop sends orders, billing processes each and forwards an invoice, and a ledger books
//! all invoices as one batch. Then every span is printed, with its parent and its links.
//!
//! `cargo run -p otel-messaging-examples --bin kafka` needs no broker: Kafka is embedded.

use std::{collections::HashMap, error::Error, time::Duration};

use opentelemetry::{
    Context, global,
    trace::{FutureExt, SpanId, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use otel_messaging_rdkafka as rdkafka; // was: the rdkafka crate itself
use rdkafka::{
    ClientConfig,
    consumer::{CommitMode, Consumer, StreamConsumer},
    message::{BorrowedHeaders, BorrowedMessage, Message},
    mocking::MockCluster,
    producer::{FutureProducer, FutureRecord},
};

const ORDERS: [&str; 3] = ["7 apples", "3 pears", "1 melon"];
const PATIENCE: Duration = Duration::from_secs(10);

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    global::set_tracer_provider(provider);

    let cluster = MockCluster::new(1)?;
    cluster.create_topic("orders", 1, 1)?;
    cluster.create_topic("invoices", 1, 1)?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    config.set("auto.offset.reset", "earliest");

    let producer: FutureProducer = config.create()?;
    for order in ORDERS {
        let span = global::tracer("shop").start("POST /orders");
        let request = Context::new().with_span(span);
        send(&producer, order).with_context(request.clone()).await?;
        request.span().end();
    }
    bill(&producer, &consumer(&config, "billing", "orders")?).await?;
    book(&consumer(&config, "ledger", "invoices")?).await?;
    print(&exporter)
}

/// The span that sends the order is a child of the span of the request.
async fn send(producer: &FutureProducer, order: &str) -> Result {
    let record = FutureRecord::<str, str>::to("orders").payload(order);
    producer.send(record, PATIENCE).await.map_err(|(error, _)| error)?;
    Ok(())
}

fn consumer(config: &ClientConfig, group: &str, topic: &str) -> Result<StreamConsumer> {
    let consumer: StreamConsumer = config.clone().set("group.id", group).create()?;
    consumer.subscribe(&[topic])?;
    Ok(consumer)
}

/// Processes one order after the other. Each process span links to the span that sent the order.
async fn bill(producer: &FutureProducer, consumer: &StreamConsumer) -> Result {
    for _ in ORDERS {
        let order = consumer.recv().await?;
        order.process(forward(producer, &order)).await?;
        consumer.commit_message(&order, CommitMode::Sync)?;
    }
    Ok(())
}

/// Sends an invoice with all headers of the order. The order's context is one of them: the span
/// that sends the invoice replaces it and links to it.
async fn forward(producer: &FutureProducer, order: &BorrowedMessage<'_>) -> Result {
    let headers = order.headers().map(BorrowedHeaders::detach).unwrap_or_default();
    let invoice = format!("pay for {}", str::from_utf8(order.payload().unwrap_or_default())?);
    let record = FutureRecord::<str, str>::to("invoices").headers(headers).payload(&invoice);
    producer.send(record, PATIENCE).await.map_err(|(error, _)| error)?;
    Ok(())
}

/// Processes all invoices in one span, with a link for each.
async fn book(consumer: &StreamConsumer) -> Result {
    let mut batches = consumer.batches(ORDERS.len(), PATIENCE);
    let invoices = batches.next().await.ok_or("the stream has ended")??;
    invoices.process_sync(|| {
        for invoice in &invoices {
            println!("booked: {}", String::from_utf8_lossy(invoice.payload().unwrap_or_default()));
        }
    });
    Ok(())
}

/// Prints each span's name and kind, its parent, and the spans that it links to.
fn print(exporter: &InMemorySpanExporter) -> Result {
    let spans = exporter.get_finished_spans()?;
    let names: HashMap<SpanId, &str> =
        spans.iter().map(|span| (span.span_context.span_id(), &*span.name)).collect();
    for span in &spans {
        print!("{:<18}{:<10}", span.name, format!("{:?}", span.span_kind).to_lowercase());
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
