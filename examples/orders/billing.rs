//! Billing: makes an invoice of every order.

use crate::{failure::Failure, order::Order, progress::Progress};
use otel_messaging_rdkafka as rdkafka; // The line that changes.
use rdkafka::{
    consumer::{CommitMode, StreamConsumer},
    message::{BorrowedHeaders, BorrowedMessage, Message},
    producer::{FutureProducer, FutureRecord},
};
use std::{convert::Infallible, str, sync::Arc, time::Duration};

pub(crate) struct Billing {
    pub(crate) consumer: StreamConsumer,
    pub(crate) producer: FutureProducer,
    pub(crate) invoices: String,
    pub(crate) progress: Arc<Progress>,
}

impl Billing {
    /// Bills one order after the other. An order is committed when its invoice has been delivered,
    /// and not before.
    pub(crate) async fn run(self: Arc<Self>) -> Result<Infallible, Failure> {
        loop {
            let order = match self.consumer.recv().await {
                Ok(order) => order,
                Err(error) => {
                    self.progress.complain(error);
                    continue;
                }
            };
            order.process(self.bill(&order)).await?;
            self.consumer
                .commit_message(&order, CommitMode::Async)
                .map_err(|error| Failure::new(format!("an order was not committed: {error}")))?;

            self.progress.give_room(order.payload_len());
            self.progress.count(|counts| counts.billed += 1);
        }
    }

    /// The handler. What it sends is a forward: it carries all headers of the order, and with them
    /// the order's context, which the new send span replaces and links to.
    async fn bill(&self, order: &BorrowedMessage<'_>) -> Result<(), Failure> {
        let number = order.key().and_then(|key| str::from_utf8(key).ok()).unwrap_or_default();
        let Ok(order_read) = Order::parse(0, order.payload().unwrap_or_default()) else {
            return Err(Failure::new(format!("what came as order {number} is not an order")));
        };
        let invoice = format!("{number},{}", order_read.cents);
        let mut record = FutureRecord::to(&self.invoices).key(number).payload(&invoice);
        record.headers = order.headers().map(BorrowedHeaders::detach);

        match self.producer.send(record, Duration::from_secs(5)).await {
            Ok(_delivery) => {
                self.progress.count(|counts| counts.forwarded += 1);
                Ok(())
            }
            Err((error, _)) => Err(Failure::new(format!("invoice {number} was not sent: {error}"))),
        }
    }
}
