//! The scenarios of RabbitMQ.

use std::slice;

use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use otel_messaging_lapin as ours;

use crate::{
    BATCH, Place, Result,
    by_hand::{ByHand, Sent},
    in_flight::in_flight,
    mode::Side,
    run::Run,
};

/// Declares the queue, which the broker keeps in memory.
pub(crate) async fn create(place: &Place) -> Result {
    let (options, none) = (QueueDeclareOptions::default(), FieldTable::default());
    let (_connection, channel) = channel(place).await?;
    channel.queue_declare(place.name.as_str().into(), options, none).await?;
    Ok(())
}

/// Deletes the queue.
pub(crate) async fn delete(place: &Place) -> Result {
    let (_connection, channel) = channel(place).await?;
    channel.queue_delete(place.name.as_str().into(), QueueDeleteOptions::default()).await?;
    Ok(())
}

/// Publishes with this many confirms in flight.
pub(crate) async fn publish(side: Side, place: &Place, limit: usize, run: &mut Run) -> Result {
    let options = BasicPublishOptions::default();
    let (connection, channel) = channel(place).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    match side {
        Side::Ours(instrumentation) => {
            let connection = ours::Connection::wrap(connection, &place.endpoint, &instrumentation);
            let channel = connection.wrap_channel(channel);
            in_flight(limit, run, async |body| {
                let (queue, properties) = (place.name.as_str().into(), BasicProperties::default());
                let publishing =
                    channel.basic_publish("".into(), queue, options, &body, properties).await?;
                publishing.await?;
                Ok(())
            })
            .await
        }
        Side::Bare(by_hand) => {
            in_flight(limit, run, async |body| {
                let (properties, sent) = properties(&by_hand);
                let queue = place.name.as_str().into();
                let publishing =
                    channel.basic_publish("".into(), queue, options, &body, properties).await?;
                publishing.await?;
                by_hand.sent(sent, None);
                Ok(())
            })
            .await
        }
    }
}

/// Receives, processes and acknowledges messages one by one.
pub(crate) async fn consume(side: Side, place: &Place, run: &mut Run) -> Result {
    let (connection, channel) = channel(place).await?;
    let prefetch = u16::try_from(BATCH).unwrap_or(u16::MAX);
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let queue = place.name.as_str().into();
    match side {
        Side::Ours(instrumentation) => {
            let connection = ours::Connection::wrap(connection, &place.endpoint, &instrumentation);
            let channel = connection.wrap_channel(channel);
            let mut consumer = channel.basic_consume(queue, "".into(), options, none).await?;
            run.ready();
            while let Some(messages) = run.next_phase() {
                for _ in 0..messages {
                    let message = consumer.next().await.ok_or("the consumer was cancelled")??;
                    message.process(async { run.work(&message.data) }).await;
                    message.ack(BasicAckOptions::default()).await?;
                }
            }
        }
        Side::Bare(by_hand) => {
            let mut consumer = channel.basic_consume(queue, "".into(), options, none).await?;
            run.ready();
            while let Some(messages) = run.next_phase() {
                for _ in 0..messages {
                    let called = by_hand.call();
                    let message = consumer.next().await.ok_or("the consumer was cancelled")??;
                    let position = i64::try_from(message.delivery_tag).unwrap_or_default();
                    let origin = by_hand.extract(|| traceparent(&message.properties), position);
                    let origins = slice::from_ref(&origin);
                    by_hand.received(called, origins);
                    by_hand.process(origins, || run.work(&message.data));
                    by_hand.settle(&origin, message.ack(BasicAckOptions::default())).await?;
                }
            }
        }
    }
    Ok(())
}

async fn channel(place: &Place) -> Result<(Connection, Channel)> {
    let connection = Connection::connect(&place.endpoint, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

fn properties(by_hand: &ByHand) -> (BasicProperties, Option<Sent>) {
    let mut headers = None;
    let sent = by_hand.send(&mut |name, value| {
        let headers = headers.get_or_insert_with(FieldTable::default);
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    });
    let properties = BasicProperties::default();
    (headers.into_iter().fold(properties, BasicProperties::with_headers), sent)
}

fn traceparent(properties: &BasicProperties) -> Option<&str> {
    match properties.headers().as_ref()?.inner().get("traceparent")? {
        AMQPValue::LongString(text) => str::from_utf8(text.as_bytes()).ok(),
        _ => None,
    }
}
