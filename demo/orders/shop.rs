//! The shop: takes requests and sends an order for each.

use std::{io, sync::Arc, time::Duration};

use futures::stream::{self, StreamExt, TryStreamExt};
use otel_messaging::rdkafka; // was: the rdkafka crate itself
use otel_messaging_demo::{Result, service::Run, web};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::cluster;

/// How many requests are served at the same time.
const CUSTOMERS: usize = 256;

struct Shop {
    producer: FutureProducer,
    topic: String,
}

/// Serves a request for each order that comes from standard input.
pub(crate) async fn run(run: Arc<Run>) -> Result {
    let producer = cluster::producer("shop")?.create()?;
    let shop = Shop { producer, topic: run.name("orders") };
    let orders = io::read_to_string(io::stdin())?;
    stream::iter(orders.lines().zip(1_u64..))
        .map(Ok)
        .try_for_each_concurrent(CUSTOMERS, async |(order, number)| {
            web::request(shop.order(number, order)).await?;
            run.add(1);
            Ok(())
        })
        .await
}

impl Shop {
    /// Handles a request. Nothing in it is about telemetry.
    async fn order(&self, number: u64, order: &str) -> Result {
        let key = number.to_string();
        let record = FutureRecord::to(&self.topic).key(&key).payload(order);
        self.producer
            .send(record, Duration::from_secs(5))
            .await
            .map_err(|(error, _)| format!("order {number} was not sent: {error}"))?;
        Ok(())
    }
}
