//! A shop with a transactional outbox: by day, requests write orders, and a relay sends them to
//! Kafka; by night, all of the day's are booked as one batch. Then every span is printed with what
//! it links to.
//!
//! `cargo run -p otel-messaging-outbox` needs nothing installed. With the path of a database, it
//! is made there and stays; `day` or `night` behind it does one half:
//!
//! ```sh
//! cargo run -p otel-messaging-outbox -- shop.db day
//! cargo run -p otel-messaging-outbox -- shop.db night
//! ```

use std::{env, path::Path, path::PathBuf, time::Duration};

use opentelemetry::{
    Context, SpanId, global,
    trace::{SpanKind, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use otel_messaging::{otel::Instrumentation, rdkafka};
use otel_messaging_outbox::{
    Result,
    cluster::{Cluster, TOPIC},
    night::book,
    outbox,
    relay::relay,
    shop::place_order,
};
use rdkafka::{
    Message,
    consumer::{Consumer, StreamConsumer},
    producer::FutureProducer,
};

const ORDERS: [&str; 3] = ["7 apples", "3 pears", "1 melon"];
const USAGE: &str = "usage: otel-messaging-outbox [DATABASE [day | night]]";

#[tokio::main]
async fn main() -> Result {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    global::set_tracer_provider(provider);

    let arguments: Vec<String> = env::args().skip(1).collect();
    let directory = tempfile::tempdir()?;
    let temporary = directory.path().join("shop.db");
    let path = arguments.first().map_or(temporary, PathBuf::from);
    match arguments.get(1).map(String::as_str) {
        None => {
            day(&path).await?;
            night(&path)?;
        }
        Some("day") => day(&path).await?,
        Some("night") => night(&path)?,
        Some(_) => return Err(USAGE.into()),
    }
    print(&exporter)
}

/// Three requests, the relay, and who reads what it has sent. The database is closed at the end.
async fn day(path: &Path) -> Result {
    let mut database = outbox::open(path)?;
    let tracer = global::tracer("shop");
    for item in ORDERS {
        let span = tracer.span_builder("POST /orders").with_kind(SpanKind::Server).start(&tracer);
        let _current = Context::current_with_span(span).attach();
        place_order(&mut database, item)?;
    }
    let cluster = Cluster::start()?;
    let producer: FutureProducer = cluster.producer().create()?;
    let sent = relay(&database, &producer, TOPIC).await?;
    println!("{} orders were placed, {sent} are sent", ORDERS.len());

    let consumer: StreamConsumer = cluster.consumer("billing").create()?;
    consumer.subscribe(&[TOPIC])?;
    for _ in 0..sent {
        let order = tokio::time::timeout(Duration::from_secs(30), consumer.recv()).await??;
        order.process_sync(|| println!("a bill for {}", text(order.payload())));
    }
    Ok(())
}

fn text(payload: Option<&[u8]>) -> String {
    String::from_utf8_lossy(payload.unwrap_or_default()).into_owned()
}

fn night(path: &Path) -> Result {
    let mut database = outbox::open(path)?;
    let booked = book(&mut database, &Instrumentation::default())?;
    println!("{booked} orders are booked");
    Ok(())
}

/// Every span with its id, and the ids of the spans that it links to.
fn print(exporter: &InMemorySpanExporter) -> Result {
    for span in exporter.get_finished_spans()? {
        print!("{}  {:<16}", span.span_context.span_id(), span.name);
        if span.parent_span_id != SpanId::INVALID {
            print!("  in {}", span.parent_span_id);
        }
        for link in &span.links.links {
            print!("  -> {}", link.span_context.span_id());
            for row in link.attributes.iter().filter(|it| it.key.as_str() == "outbox.row.id") {
                print!(" (row {})", row.value);
            }
        }
        println!();
    }
    Ok(())
}
