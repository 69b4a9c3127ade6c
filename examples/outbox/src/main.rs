//! A transactional outbox in `SQLite`. Requests write an order and a row of the outbox in one
//! transaction; the row keeps the request's context. A relay sends the rows to Kafka with their
//! contexts, and a nightly job books all rows of the day in one span that links to every request.
//!
//! `cargo run -p otel-messaging-outbox` needs no broker: Kafka is embedded.

mod outbox;
#[cfg(test)]
mod tests;

use std::{error::Error, time::Duration};

use opentelemetry::{
    Context, KeyValue, global,
    trace::{SpanKind, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use otel_messaging::{
    otel::{Batch, Instrumentation, Instrumenter, System},
    rdkafka, // was: the rdkafka crate itself
};
use rdkafka::{
    ClientConfig,
    consumer::{Consumer, StreamConsumer},
    mocking::MockCluster,
    producer::{FutureProducer, FutureRecord},
};
use rusqlite::Connection;

/// What the telemetry of the nightly job says about its system, and where it comes from.
const OUTBOX: System = System::new("outbox", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    global::set_tracer_provider(provider);
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("orders", 1, 1)?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    config.set("group.id", "billing").set("auto.offset.reset", "earliest");

    let directory = tempfile::tempdir()?;
    let path = directory.path().join("shop.db");
    let mut database = outbox::open(&path)?;
    for item in ["7 apples", "3 pears", "1 melon"] {
        let tracer = global::tracer("shop");
        let span = tracer.span_builder("POST /orders").with_kind(SpanKind::Server).start(&tracer);
        let _current = Context::current_with_span(span).attach();
        place_order(&mut database, item)?;
    }
    let sent = relay(&database, &config.create()?).await?;
    let consumer: StreamConsumer = config.create()?;
    consumer.subscribe(&["orders"])?;
    for _ in 0..sent {
        consumer.recv().await?.process_sync(|| ());
    }

    // All that the nightly job knows of the requests is in the database.
    drop(database);
    let booked = book(&mut outbox::open(&path)?, &Instrumentation::default())?;
    println!("{sent} orders were sent, {booked} were booked");
    for span in exporter.get_finished_spans()? {
        print!("{}  {:<16}", span.span_context.span_id(), span.name);
        for link in &span.links.links {
            print!("  -> {}", link.span_context.span_id());
        }
        println!();
    }
    Ok(())
}

/// Handles a request: writes the order and its row of the outbox together, or neither.
fn place_order(database: &mut Connection, item: &str) -> Result {
    let transaction = database.transaction()?;
    transaction.execute("INSERT INTO orders (item) VALUES (?1)", [item])?;
    outbox::write(&transaction, item)?;
    transaction.commit()?;
    Ok(())
}

/// Sends the rows that were not sent yet, in their order, and returns how many. A message carries
/// the context of the request that wrote its row, and the send span links to it. A row is sent at
/// least once: after a crash between the two steps it is sent again, with the same key.
async fn relay(database: &Connection, producer: &FutureProducer) -> Result<usize> {
    let rows = outbox::unsent(database)?;
    for row in &rows {
        let key = row.id.to_string();
        let record = FutureRecord::to("orders").key(&key).payload(&row.payload);
        let sent = producer.send_with_context(record, &row.creation, Duration::from_secs(5)).await;
        sent.map_err(|(error, _)| error)?;
        outbox::mark_sent(database, row)?;
    }
    Ok(rows.len())
}

/// Books all rows of the day in one transaction and one process span, which links to the request
/// of each row. If the database fails, nothing is booked, and the span has failed.
fn book(database: &mut Connection, instrumentation: &Instrumentation) -> Result<usize> {
    let instrumenter = Instrumenter::builder(OUTBOX).build(instrumentation);
    let rows = outbox::unbooked(database)?.into_iter();
    let rows: Batch<_> =
        rows.map(|row| instrumenter.restore("outbox", row.creation.clone(), row)).collect();
    let rows =
        rows.with_link_attributes(|row| vec![KeyValue::new("outbox.row.id", row.get_ref().id)]);
    rows.process_sync(|| {
        let transaction = database.transaction()?;
        rows.iter().try_for_each(|row| outbox::mark_booked(&transaction, row.get_ref()))?;
        transaction.commit()?;
        Ok(rows.len())
    })
}
