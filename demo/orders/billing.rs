//! Billing: sends an invoice for every order.

use std::{sync::Arc, time::Duration};

use otel_messaging::rdkafka; // was: the rdkafka crate itself
use otel_messaging_demo::{Result, log, service::Run};
use rdkafka::{
    consumer::{CommitMode, Consumer, StreamConsumer},
    message::{BorrowedHeaders, BorrowedMessage, Message},
    producer::{FutureProducer, FutureRecord},
};

use crate::{cluster, order};

struct Billing {
    producer: FutureProducer,
    topic: String,
}

/// Bills one order after the other. An order is committed when its invoice was delivered, and not
/// before.
pub(crate) async fn run(run: Arc<Run>) -> Result {
    let consumer: StreamConsumer = cluster::consumer("billing", &run.name("billing"))?.create()?;
    consumer.subscribe(&[&run.name("orders")])?;
    let producer = cluster::producer("billing")?.create()?;
    let billing = Billing { producer, topic: run.name("invoices") };
    while !run.is_complete() {
        match consumer.recv().await {
            Ok(order) => {
                order.process(billing.bill(&order)).await?;
                consumer.commit_message(&order, CommitMode::Async)?;
                run.add(1);
            }
            // The client tries again by itself.
            Err(error) => log(error),
        }
    }
    Ok(())
}

impl Billing {
    /// Handles an order. The invoice carries all headers of the order. The order's context is one
    /// of them: the span that sends the invoice replaces it and links to it.
    async fn bill(&self, order: &BorrowedMessage<'_>) -> Result {
        let number = str::from_utf8(order.key().unwrap_or_default())?;
        let amount =
            order::amount(order.payload().unwrap_or_default()).ok_or("this is no order")?;
        let invoice = format!("{number},{amount}");
        let mut record = FutureRecord::to(&self.topic).key(number).payload(&invoice);
        record.headers = order.headers().map(BorrowedHeaders::detach);
        self.producer
            .send(record, Duration::from_secs(5))
            .await
            .map_err(|(error, _)| format!("invoice {number} was not sent: {error}"))?;
        Ok(())
    }
}
