//! Kafka: a consumer, its partition queue, and batches of both.

use std::{sync::Arc, time::Instant};

use otel_messaging::rdkafka;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{Consumer, StreamConsumer},
    message::BorrowedMessage,
    otel::Batch,
    producer::{FutureProducer, FutureRecord},
};

use crate::{Answer, PATIENCE, batches_in_a_select, endpoint, process_every_way, unique};

otel_messaging::prelude!();

/// A topic of orders, which are their own numbers.
struct Topic {
    name: String,
    config: ClientConfig,
    admin: AdminClient<DefaultClientContext>,
}

impl Topic {
    async fn new() -> Self {
        let name = unique("kafka");
        let config = ClientConfig::new()
            .set("bootstrap.servers", endpoint("OTEL_MESSAGING_KAFKA"))
            .set("group.id", &name)
            .set("auto.offset.reset", "earliest")
            .to_owned();
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        let topic = NewTopic::new(&name, 1, TopicReplication::Fixed(1));
        admin.create_topics([&topic], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
        // A topic is known before it has a leader that answers.
        let (client, deadline) = (admin.inner(), Instant::now() + PATIENCE);
        while let Err(error) = client.fetch_watermarks(&name, 0, PATIENCE) {
            assert!(Instant::now() < deadline, "{name} has no leader: {error}");
            client.fetch_metadata(Some(&name), PATIENCE).unwrap();
        }
        Self { name, config, admin }
    }

    async fn send(&self, orders: std::ops::Range<usize>) {
        let producer: FutureProducer = self.config.create().unwrap();
        for order in orders {
            let payload = order.to_string();
            let record = FutureRecord::<str, str>::to(&self.name).payload(&payload);
            producer.send(record, PATIENCE).await.unwrap();
        }
    }

    fn consumer(&self) -> StreamConsumer {
        let consumer: StreamConsumer = self.config.create().unwrap();
        consumer.subscribe(&[&self.name]).unwrap();
        consumer
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        let deleted = self.admin.delete_topics(&[&self.name], &AdminOptions::new());
        // Nothing depends on it.
        let _ = futures::executor::block_on(deleted);
    }
}

fn numbers(batch: &[BorrowedMessage<'_>]) -> Vec<usize> {
    batch.iter().map(number).collect()
}

fn number(message: &BorrowedMessage<'_>) -> usize {
    message.payload_view::<str>().unwrap().unwrap().parse().unwrap()
}

#[tokio::test]
async fn messages_are_processed() {
    let topic = Topic::new().await;
    topic.send(0..2).await;
    let consumer = topic.consumer();
    let message = consumer.recv().await.unwrap();
    let owned = message.detach();
    assert_eq!(process_every_way!(message, number), Ok(0));
    let length = |message: &rdkafka::message::OwnedMessage| message.payload().unwrap().len();
    assert_eq!(process_every_way!(owned, length), Ok(1));
    assert_eq!(number(&consumer.recv().await.unwrap()), 1);
}

#[tokio::test]
async fn batches_lose_nothing_in_a_select() {
    let topic = Topic::new().await;
    let consumer = topic.consumer();
    let mut batches = consumer.batches(3, PATIENCE);
    let mut seen = Vec::new();
    batches_in_a_select!(batches, topic.send(0..7), async |batch: Batch<BorrowedMessage<'_>>| {
        assert_eq!(batch.len(), 3);
        seen.extend(numbers(&batch));
        assert_eq!(process_every_way!(batch, |batch: &Batch<_>| batch.len()), Ok(3));
    });
    drop(batches);
    let mut last = consumer.batches(1, PATIENCE);
    seen.extend(numbers(&last.next().await.unwrap().unwrap()));
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
    assert!(last.flush().is_none());
}

#[tokio::test]
async fn a_partition_queue_has_batches() {
    let topic = Topic::new().await;
    topic.send(0..3).await;
    let consumer: Arc<StreamConsumer> = Arc::new(topic.config.create().unwrap());
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(&topic.name, 0, Offset::Beginning).unwrap();
    consumer.assign(&assignment).unwrap();
    let queue = consumer.split_partition_queue(&topic.name, 0).unwrap();
    let mut batches = queue.batches(3, PATIENCE);
    // The queue is served while the consumer is polled, which has no message itself.
    tokio::select! {
        batch = batches.next() => assert_eq!(numbers(&batch.unwrap().unwrap()), [0, 1, 2]),
        message = consumer.recv() => panic!("it belongs to the queue: {message:?}"),
    }
}
