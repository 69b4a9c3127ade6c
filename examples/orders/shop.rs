//! The shop: takes requests and sends an order for each.

use crate::{failure::Failure, order::Order, progress::Progress};
use futures::stream::{self, StreamExt, TryStreamExt};
use opentelemetry_sdk::trace::SdkTracer;
use otel_messaging_examples::web;
use otel_messaging_rdkafka as rdkafka; // The line that changes.
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::{sync::Arc, time::Duration};

/// Requests that are served at the same time.
const CUSTOMERS: usize = 256;

pub(crate) struct Shop {
    pub(crate) tracer: SdkTracer,
    pub(crate) producer: FutureProducer,
    pub(crate) orders: String,
    pub(crate) progress: Arc<Progress>,
}

impl Shop {
    /// Serves one request for each order. Ends when Kafka has all of them, or with the first that
    /// could not be sent.
    pub(crate) async fn serve(&self, orders: Vec<Order>) -> Result<(), Failure> {
        stream::iter(orders)
            .map(Ok)
            .try_for_each_concurrent(CUSTOMERS, |order| self.request(order))
            .await
    }

    async fn request(&self, order: Order) -> Result<(), Failure> {
        self.progress.room_for(order.line.len()).await?;
        web::request(&self.tracer, self.order(&order)).await
    }

    /// The handler: there is no telemetry in it.
    async fn order(&self, order: &Order) -> Result<(), Failure> {
        let number = order.number.to_string();
        let record = FutureRecord::to(&self.orders).key(&number).payload(&order.line);
        match self.producer.send(record, Duration::from_secs(5)).await {
            Ok(_delivery) => {
                self.progress.count(|counts| counts.sent += 1);
                Ok(())
            }
            Err((error, _)) => Err(Failure::new(format!("order {number} was not sent: {error}"))),
        }
    }
}
