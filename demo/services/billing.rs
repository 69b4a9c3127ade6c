//! Billing: sends an invoice for every order, and notes the order in the day book.

use std::sync::Arc;

use async_nats::jetstream;
use lapin::{
    BasicProperties, Channel,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use otel_messaging::{async_nats, lapin, rdkafka}; // was: the clients' crates themselves
use otel_messaging_demo::{Result, log, service::Run, telemetry};
use rdkafka::{
    ClientConfig, bare,
    consumer::{CommitMode, Consumer, StreamConsumer},
    message::{BorrowedMessage, Message},
};

use crate::brokers::{self, Brokers};

/// What an apple costs, in cents.
const PRICE: u64 = 45;

struct Billing {
    channel: Channel,
    invoices: String,
    jetstream: jetstream::Context,
    day_book: String,
}

/// Bills one order of the day after the other. An order is committed when its invoice and its note
/// have arrived, and not before.
pub(crate) async fn run(run: Arc<Run>) -> Result {
    let at = Brokers::from_env()?;
    let consumer: bare::consumer::StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &at.kafka)
        .set("client.id", "billing")
        .set("group.id", run.name("billing"))
        .set("auto.offset.reset", "earliest") // Orders may be there before their consumer.
        .set("enable.auto.commit", "false") // Only what was processed is committed.
        .create()?;
    let consumer = StreamConsumer::wrap(consumer, &telemetry::instrumentation());
    let connection = at.rabbitmq().await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let jetstream = jetstream::new(async_nats::connect(&at.nats).await?);
    let invoices = brokers::queue(&run, &channel).await?;
    brokers::stream(&run, &jetstream).await?;
    let billing = Billing { channel, invoices, jetstream, day_book: run.name("day-book") };

    consumer.subscribe(&[&at.topic(&run).await?])?;
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
    connection.close(200, "the day is over".into()).await?;
    Ok(())
}

impl Billing {
    /// Handles an order. Nothing in it is about telemetry.
    async fn bill(&self, order: &BorrowedMessage<'_>) -> Result {
        let number = str::from_utf8(order.key().unwrap_or_default())?;
        let text = str::from_utf8(order.payload().unwrap_or_default())?;
        let (customer, apples) = text.split_once(',').ok_or("this is no order")?;
        let cents = apples.parse::<u64>()? * PRICE;

        let invoice = format!("{customer}: {apples} apples, {cents} cents");
        let persistent = BasicProperties::default().with_delivery_mode(2);
        let (exchange, queue) = ("".into(), self.invoices.as_str().into());
        let options = BasicPublishOptions::default();
        let confirm = self
            .channel
            .basic_publish(exchange, queue, options, invoice.as_bytes(), persistent)
            .await?;
        if !confirm.await?.is_ack() {
            return Err(format!("RabbitMQ did not take invoice {number}").into());
        }

        let note = format!("{number},{cents}");
        self.jetstream.publish(self.day_book.clone(), note.into()).await?.await?;
        Ok(())
    }
}
