//! The shop: serves requests, asks the stock for each, and sends an order.

use std::{sync::Arc, time::Duration};

use futures::stream::{self, StreamExt, TryStreamExt};
use otel_messaging::{async_nats, rdkafka}; // was: the clients' crates themselves
use otel_messaging_demo::{Result, service::Run, web};
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};
use tokio::time;

use crate::brokers::Brokers;

/// How many requests are served at the same time.
const CUSTOMERS: usize = 16;

struct Shop {
    nats: async_nats::Client,
    stock: String,
    producer: FutureProducer,
    topic: String,
}

/// Serves a request for each order of the day.
pub(crate) async fn run(run: Arc<Run>) -> Result {
    let brokers = Brokers::from_env()?;
    let topic = brokers.topic(&run).await?;
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &brokers.kafka)
        .set("client.id", "shop")
        .set("message.timeout.ms", "10000")
        .create()?;
    let nats = async_nats::connect(&brokers.nats).await?;
    let shop = Shop { nats, stock: run.name("stock"), producer, topic };

    shop.wait_for_stock().await;
    stream::iter(1..=run.orders)
        .map(Ok)
        .try_for_each_concurrent(CUSTOMERS, async |number| {
            web::request(shop.order(number)).await?;
            run.add(1);
            Ok(())
        })
        .await
}

impl Shop {
    /// Handles a request. Nothing in it is about telemetry.
    async fn order(&self, number: u64) -> Result {
        let customer = ["Ada", "Grace", "Edsger", "Barbara", "Tony"][(number % 5) as usize];
        let apples = (number % 9 + 1).to_string();
        let answer = self.nats.request(self.stock.clone(), apples.clone().into()).await?;
        if answer.payload != "there are" {
            return Err(format!("there are not {apples} apples for order {number}").into());
        }
        let (key, order) = (number.to_string(), format!("{customer},{apples}"));
        let record = FutureRecord::to(&self.topic).key(&key).payload(&order);
        self.producer.send(record, Duration::from_secs(5)).await.map_err(|(error, _)| error)?;
        Ok(())
    }

    /// Waits until the stock service answers. This belongs to no order, so it goes through the
    /// client's own type, which is not instrumented.
    async fn wait_for_stock(&self) {
        let ping = format!("$SRV.PING.{}", self.stock);
        let mut tries = time::interval(Duration::from_millis(100));
        while self.nats.get_ref().request(ping.clone(), "".into()).await.is_err() {
            tries.tick().await;
        }
    }
}
