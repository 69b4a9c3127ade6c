//! One application, built bare or instrumented: a Cargo feature is the difference. Kafka is embedded.
//!
//! ```sh
//! cargo run -p otel-messaging-flag                        # shows its spans at the end
//! cargo run -p otel-messaging-flag --no-default-features  # nothing of OpenTelemetry is built
//! ```

#[cfg(feature = "otel")]
mod telemetry;

use std::{error::Error, fmt, time::Duration};

use otel_messaging::rdkafka; // was: the rdkafka crate itself

use rdkafka::{
    ClientConfig, Message,
    consumer::{CommitMode, Consumer, StreamConsumer},
    message::BorrowedMessage,
    mocking::MockCluster,
    producer::{FutureProducer, FutureRecord},
};

const ORDERS: [&str; 7] =
    ["1 pear", "no pears", "2 figs", "3 kiwis", "4 limes", "5 plums", "6 nuts"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    #[cfg(feature = "otel")]
    let telemetry = telemetry::Telemetry::start();
    let traded = trade().await;
    #[cfg(feature = "otel")]
    telemetry.show()?;
    traded
}

async fn trade() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("orders", 1, 1)?;
    cluster.create_topic("parcels", 1, 1)?;
    let config = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "warehouse")
        .set("auto.offset.reset", "earliest")
        .to_owned();

    let producer: FutureProducer = config.create()?;
    for order in ORDERS {
        let record = FutureRecord::<str, str>::to("orders").payload(order);
        producer.send(record, Duration::ZERO).await.map_err(|(error, _)| error)?;
    }

    let consumer: StreamConsumer = config.create()?;
    consumer.subscribe(&["orders"])?;
    for _ in 0..2 {
        let order = consumer.recv().await?;
        match order.process(pack(&producer, &order)).await {
            Ok(count) => println!("packed {count}"),
            Err(error) => println!("not packed: {error}"),
        }
        consumer.commit_message(&order, CommitMode::Sync)?;
    }
    let order = consumer.recv().await?;
    let count = order.process_with(async |order| pack(&producer, &order).await).await?;
    println!("packed {count} in a task that owns its order");

    let mut batches = consumer.batches(ORDERS.len() - 3, Duration::from_secs(30));
    let batch = batches.next().await.ok_or("the stream has ended")??;
    let count = batch.process(pack_all(&producer, &batch)).await?;
    println!("packed {count} of {} orders at once", batch.len());
    Ok(())
}

/// Sends a parcel, and says how many pieces are in it.
async fn pack(producer: &FutureProducer, order: &impl Message) -> Result<u32, Box<dyn Error>> {
    let text = order.payload_view::<str>().and_then(Result::ok).unwrap_or_default();
    let count = text.split(' ').next().and_then(|count| count.parse().ok());
    let count = count.ok_or_else(|| NotAnOrder(text.to_owned()))?;
    let parcel = FutureRecord::<str, str>::to("parcels").payload(text);
    producer.send(parcel, Duration::ZERO).await.map_err(|(error, _)| error)?;
    Ok(count)
}

async fn pack_all(
    producer: &FutureProducer,
    orders: &[BorrowedMessage<'_>],
) -> Result<u32, Box<dyn Error>> {
    let mut all = 0;
    for order in orders {
        all += pack(producer, order).await?;
    }
    Ok(all)
}

#[derive(Debug)]
struct NotAnOrder(String);

impl fmt::Display for NotAnOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not an order", self.0)
    }
}

impl Error for NotAnOrder {}
