//! The shop: serves requests, asks the stock for each, and sends an order.

use crate::{Result, day::Day, declare, telemetry};
use futures::stream::{self, StreamExt, TryStreamExt};
use otel_messaging::{async_nats, rdkafka}; // The line that changes.
use otel_messaging_examples::web;
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};
use std::time::Duration;
use tokio::time;

/// Requests that are served at the same time.
const CUSTOMERS: usize = 16;

struct Shop {
    nats: async_nats::Client,
    stock: String,
    producer: FutureProducer,
    orders: String,
}

/// Serves one request for each order of the day.
pub(crate) async fn run(day: &Day) -> Result {
    let orders = declare::topic(day).await?;
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &day.kafka)
        .set("client.id", "shop")
        .set("message.timeout.ms", "10000")
        .create()?;
    let nats = async_nats::connect(&day.nats).await?;
    let shop = Shop { nats, stock: day.name("stock"), producer, orders };

    shop.wait_for_stock(day).await;
    let web_server = telemetry::web_server();
    stream::iter(1..=day.orders)
        .map(Ok)
        .try_for_each_concurrent(CUSTOMERS, async |number| {
            web::request(&web_server, shop.order(number)).await?;
            day.progress.one_more();
            Ok(())
        })
        .await
}

impl Shop {
    /// The handler of a request.
    async fn order(&self, number: u64) -> Result {
        let customer = ["Ada", "Grace", "Edsger", "Barbara", "Tony"][(number % 5) as usize];
        let apples = (number % 9 + 1).to_string();
        let answer = self.nats.request(self.stock.clone(), apples.clone().into()).await?;
        if answer.payload != "there are" {
            return Err(format!("there are not {apples} apples for order {number}").into());
        }
        let (key, order) = (number.to_string(), format!("{customer},{apples}"));
        let record = FutureRecord::to(&self.orders).key(&key).payload(&order);
        self.producer.send(record, Duration::from_secs(5)).await.map_err(|(error, _)| error)?;
        Ok(())
    }

    /// The services start in any order. Asking whether one is there is no business of an order's, so
    /// the client's own is asked, which is not instrumented.
    async fn wait_for_stock(&self, day: &Day) {
        let ping = format!("$SRV.PING.{}", self.stock);
        let mut tries = time::interval(Duration::from_millis(100));
        while let Err(error) = self.nats.get_ref().request(ping.clone(), "".into()).await {
            day.progress.complain(format_args!("stock does not answer: {error}"));
            tries.tick().await;
        }
    }
}
