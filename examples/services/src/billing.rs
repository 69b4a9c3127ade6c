//! Billing: sends an invoice for every order, and notes the order in the day book.

use crate::{Result, day::Day, declare};
use async_nats::jetstream;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use otel_messaging::{async_nats, lapin, rdkafka}; // The line that changes.
use rdkafka::{
    ClientConfig,
    consumer::{CommitMode, Consumer, StreamConsumer},
    message::{BorrowedMessage, Message},
};

/// What an apple costs, in cents.
const PRICE: u64 = 45;

struct Billing {
    channel: Channel,
    invoices: String,
    jetstream: jetstream::Context,
    day_book: String,
}

/// Bills the orders of the day, one after the other. An order is committed when its invoice and its
/// note have arrived, and not before.
pub(crate) async fn run(day: &Day) -> Result {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &day.kafka)
        .set("client.id", "billing")
        .set("group.id", day.name("billing"))
        .set("auto.offset.reset", "earliest") // Orders may be there before their consumer.
        .set("enable.auto.commit", "false") // Committed is what has been processed.
        .create()?;
    let connection = Connection::connect(&day.rabbitmq, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let jetstream = jetstream::new(async_nats::connect(&day.nats).await?);
    let invoices = declare::queue(day, &channel).await?;
    let day_book = declare::stream(day, &jetstream).await?.cached_info().config.name.clone();
    let billing = Billing { channel, invoices, jetstream, day_book };

    consumer.subscribe(&[&declare::topic(day).await?])?;
    let mut billed = 0;
    while billed < day.orders {
        match consumer.recv().await {
            Ok(order) => {
                order.process(billing.bill(&order)).await?;
                consumer.commit_message(&order, CommitMode::Async)?;
                billed += 1;
                day.progress.one_more();
            }
            // The client tries again by itself.
            Err(error) => day.progress.complain(error),
        }
    }
    connection.close(200, "the day is over".into()).await?;
    Ok(())
}

impl Billing {
    /// The handler: there is no telemetry in it.
    async fn bill(&self, order: &BorrowedMessage<'_>) -> Result {
        let number = str::from_utf8(order.key().unwrap_or_default())?;
        let text = str::from_utf8(order.payload().unwrap_or_default())?;
        let (customer, apples) = text.split_once(',').ok_or("this is no order")?;
        let cents = apples.parse::<u64>()? * PRICE;

        let invoice = format!("{customer}: {apples} apples, {cents} cents");
        let properties = BasicProperties::default().with_delivery_mode(2); // It is to outlive the broker.
        let (exchange, queue) = ("".into(), self.invoices.as_str().into());
        let options = BasicPublishOptions::default();
        let confirm = self
            .channel
            .basic_publish(exchange, queue, options, invoice.as_bytes(), properties)
            .await?;
        if !confirm.await?.is_ack() {
            return Err(format!("RabbitMQ did not take invoice {number}").into());
        }

        let note = format!("{number},{cents}");
        self.jetstream.publish(self.day_book.clone(), note.into()).await?.await?;
        Ok(())
    }
}
