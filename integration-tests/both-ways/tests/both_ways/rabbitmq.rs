//! RabbitMQ: deliveries, what the application asks for, and batches.

use futures::StreamExt;
use lapin::{
    BasicProperties, Batches, Channel, Connection, ConnectionProperties,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions,
        QueueDeclareOptions, QueueDeleteOptions,
    },
    otel::Batch,
    types::FieldTable,
};
use otel_messaging::lapin;

use crate::{Answer, PATIENCE, batches_in_a_select, endpoint, process_every_way, unique};

otel_messaging::prelude!();

/// A queue of orders, which are their own numbers.
struct Queue {
    name: String,
    channel: Channel,
    _connection: Connection,
}

impl Queue {
    async fn new() -> Self {
        let uri = endpoint("OTEL_MESSAGING_RABBITMQ");
        let connection = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let name = unique("rabbitmq");
        let options = QueueDeclareOptions { auto_delete: true, ..Default::default() };
        let arguments = FieldTable::default();
        channel.queue_declare(name.as_str().into(), options, arguments).await.unwrap();
        Self { name, channel, _connection: connection }
    }

    async fn send(&self, orders: std::ops::Range<usize>) {
        for order in orders {
            let (options, order) = (BasicPublishOptions::default(), order.to_string());
            let (queue, properties) = (self.name.as_str().into(), BasicProperties::default());
            let confirm =
                self.channel.basic_publish("".into(), queue, options, order.as_bytes(), properties);
            confirm.await.unwrap().await.unwrap();
        }
    }

    async fn consume(&self) -> lapin::Consumer {
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let name = self.name.as_str().into();
        self.channel.basic_consume(name, "".into(), options, arguments).await.unwrap()
    }
}

fn number(delivery: &Delivery) -> usize {
    str::from_utf8(&delivery.data).unwrap().parse().unwrap()
}

#[tokio::test]
async fn deliveries_are_processed_and_acknowledged() {
    let queue = Queue::new().await;
    queue.send(0..2).await;
    let got = queue.channel.basic_get(queue.name.as_str().into(), BasicGetOptions::default()).await;
    let got = got.unwrap().unwrap();
    assert_eq!(got.delivery.process(async { Answer::Ok(number(&got.delivery)) }).await, Ok(0));
    assert!(got.delivery.ack(BasicAckOptions::default()).await.unwrap());

    let mut consumer = queue.consume().await;
    let delivery = consumer.next().await.unwrap().unwrap();
    assert!(delivery.ack(BasicAckOptions::default()).await.unwrap());
    assert_eq!(process_every_way!(delivery, number), Ok(1));
}

#[tokio::test]
async fn batches_lose_nothing_and_end_with_the_queue() {
    let queue = Queue::new().await;
    let consumer = queue.consume().await;
    let mut batches: Batches<_, _> = consumer.batches(3, PATIENCE, tokio::time::sleep);
    let mut seen = Vec::new();
    batches_in_a_select!(batches, queue.send(0..7), async |batch: Batch<Delivery>| {
        batch.last().unwrap().ack(BasicAckOptions { multiple: true }).await.unwrap();
        seen.extend(batch.iter().map(number));
        assert_eq!(process_every_way!(batch, |batch: &Batch<_>| batch.len()), Ok(3));
    });
    let last = consumer.batches(1, PATIENCE, tokio::time::sleep).next().await.unwrap().unwrap();
    seen.extend(last.into_vec().iter().map(number));
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
    queue
        .channel
        .queue_delete(queue.name.as_str().into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    assert!(batches.next().await.is_none(), "the consumer was cancelled with its queue");
}
