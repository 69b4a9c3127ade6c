//! Where the brokers are, and what they hold for the demo: one topic, one queue, one stream. The
//! services start in any order, so each creates what it needs if it is not there.

use std::slice;

use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use otel_messaging::{
    async_nats::{
        self,
        jetstream::{self, stream},
    },
    lapin,
};
use otel_messaging_demo::{
    Result, kafka,
    service::{self, Run},
    telemetry,
};

/// The endpoints of the three brokers.
pub(crate) struct Brokers {
    pub(crate) kafka: String,
    pub(crate) rabbitmq: String,
    pub(crate) nats: String,
}

impl Brokers {
    pub(crate) fn from_env() -> Result<Self> {
        let rabbitmq = "amqp://user:password@host:5672/vhost";
        Ok(Self {
            kafka: service::broker("OTEL_MESSAGING_KAFKA", "host:9092")?,
            rabbitmq: service::broker("OTEL_MESSAGING_RABBITMQ", rabbitmq)?,
            nats: service::broker("OTEL_MESSAGING_NATS", "host:4222")?,
        })
    }

    pub(crate) async fn rabbitmq(&self) -> Result<Connection> {
        let options = ConnectionProperties::default();
        let connection = lapin::bare::Connection::connect(&self.rabbitmq, options).await?;
        Ok(Connection::wrap(connection, &self.rabbitmq, &telemetry::instrumentation()))
    }

    /// Creates the topic of orders, and returns its name.
    pub(crate) async fn topic(&self, run: &Run) -> Result<String> {
        let name = run.name("orders");
        kafka::create_topics(&self.kafka, slice::from_ref(&name)).await?;
        Ok(name)
    }

    /// Deletes all that a run has left.
    pub(crate) async fn remove(&self, suffix: &str) -> Result {
        let run = Run::new(0, suffix.to_owned());
        kafka::delete(&self.kafka, &[run.name("orders")], &[run.name("billing")]).await?;

        let connection = self.rabbitmq().await?;
        let channel = connection.create_channel().await?;
        // That there is no such queue is no error.
        let queue = run.name("invoices").into();
        channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
        connection.close(200, "the day is over".into()).await?;

        let jetstream = jetstream::new(async_nats::connect(&self.nats).await?);
        let stream = run.name("day-book");
        if jetstream.get_stream(&stream).await.is_ok() {
            jetstream.delete_stream(&stream).await?;
        }
        Ok(())
    }
}

/// Creates the queue of invoices, and returns its name.
pub(crate) async fn queue(run: &Run, channel: &Channel) -> Result<String> {
    let name = run.name("invoices");
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await?;
    Ok(name)
}

/// Creates the day book: a stream whose messages are deleted once they are acknowledged.
pub(crate) async fn stream(run: &Run, jetstream: &jetstream::Context) -> Result<stream::Stream> {
    let name = run.name("day-book");
    let config = stream::Config {
        name: name.clone(),
        subjects: vec![name],
        retention: stream::RetentionPolicy::WorkQueue,
        ..Default::default()
    };
    Ok(jetstream.get_or_create_stream(config).await?)
}
