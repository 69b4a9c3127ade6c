//! Three orders become ONE process span with three links, on a Kafka that is embedded in this program:
//! `cargo run --example batch --features rdkafka,tokio`. It prints the spans.

use std::{error::Error, time::Duration};

use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_messaging::rdkafka::{
    ClientConfig, Message,
    consumer::{Consumer, StreamConsumer},
    error::KafkaResult,
    message::BorrowedMessage,
    mocking::MockCluster,
    producer::{FutureProducer, FutureRecord},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let exporter = opentelemetry_stdout::SpanExporter::default();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    opentelemetry::global::set_tracer_provider(provider.clone());

    let cluster = MockCluster::new(1)?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    let producer: FutureProducer = config.create()?;
    for order in ["1", "2", "3"] {
        let record = FutureRecord::<(), _>::to("orders").payload(order);
        producer.send(record, Duration::ZERO).await.map_err(|(error, _)| error)?;
    }

    config.set("group.id", "billing").set("auto.offset.reset", "earliest");
    let consumer: StreamConsumer = config.create()?;
    consumer.subscribe(&["orders"])?;
    let mut batches = consumer.batches(3, Duration::from_secs(10)); // filled long before
    let Some(batch) = batches.next().await else { return Err("the stream has ended".into()) };
    let batch = batch?;
    batch.process(bill(&batch, &producer)).await?;

    provider.shutdown()?; // exports the spans that wait
    Ok(())
}

/// Sends one invoice for all orders of the batch. Its send span is a child of the process span.
async fn bill(orders: &[BorrowedMessage<'_>], producer: &FutureProducer) -> KafkaResult<()> {
    let orders =
        orders.iter().filter_map(|order| order.payload_view::<str>()?.ok()?.parse::<u32>().ok());
    let invoice = orders.sum::<u32>().to_string();
    let record = FutureRecord::<(), _>::to("invoices").payload(&invoice);
    producer.send(record, Duration::ZERO).await.map_err(|(error, _)| error)?;
    println!("billed {invoice} apples");
    Ok(())
}
