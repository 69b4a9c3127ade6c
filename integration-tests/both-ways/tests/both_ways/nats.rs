//! NATS: a subscription, and the streams of JetStream's consumers.

use async_nats::{
    Client,
    jetstream::{
        self,
        consumer::{OrderedPushConsumer, PullConsumer, push},
        stream,
    },
    service::{Request, ServiceExt},
};
use futures::StreamExt;
use otel_messaging::{async_nats, otel::Batch};

use crate::{Answer, PATIENCE, batches_in_a_select, endpoint, process_every_way, unique};

otel_messaging::prelude!();

async fn connect() -> Client {
    async_nats::connect(endpoint("OTEL_MESSAGING_NATS")).await.unwrap()
}

/// A stream of orders, which are their own numbers.
struct Orders {
    name: String,
    jetstream: jetstream::Context,
}

impl Orders {
    async fn new() -> Self {
        let jetstream = jetstream::new(connect().await);
        let name = unique("nats");
        let config = stream::Config {
            name: name.clone(),
            storage: stream::StorageType::Memory,
            ..Default::default()
        };
        jetstream.create_stream(config).await.unwrap();
        Self { name, jetstream }
    }

    async fn send(&self, orders: std::ops::Range<usize>) {
        for order in orders {
            let order = order.to_string().into();
            self.jetstream.publish(self.name.clone(), order).await.unwrap().await.unwrap();
        }
    }

    async fn consumer(&self) -> PullConsumer {
        let config = jetstream::consumer::pull::Config::default();
        self.jetstream.create_consumer_on_stream(config, &self.name).await.unwrap()
    }

    async fn delete(self) {
        self.jetstream.delete_stream(&self.name).await.unwrap();
    }
}

fn number(payload: &[u8]) -> usize {
    str::from_utf8(payload).unwrap().parse().unwrap()
}

fn numbers(batch: &[jetstream::Message]) -> Vec<usize> {
    batch.iter().map(|message| number(&message.payload)).collect()
}

#[tokio::test]
async fn subscriptions_have_messages_and_batches() {
    let client = connect().await;
    let subject = unique("nats");
    let mut orders = client.subscribe(subject.clone()).await.unwrap();
    for order in 0..4 {
        client.publish(subject.clone(), order.to_string().into()).await.unwrap();
    }
    let message = orders.next().await.unwrap();
    let payload = |message: &async_nats::Message| number(&message.payload);
    assert_eq!(process_every_way!(message, payload), Ok(0));

    let mut batches = orders.batches(3, PATIENCE);
    let Ok(batch) = batches.next().await.unwrap();
    assert_eq!(batch.iter().map(payload).collect::<Vec<_>>(), [1, 2, 3]);
    let length = |batch: &Batch<async_nats::Message>| batch.len();
    assert_eq!(process_every_way!(batch, length), Ok(3));
    assert!(batches.flush().is_none());
}

#[tokio::test]
async fn requests_to_a_service_are_processed() {
    let client = connect().await;
    let name = unique("service");
    let service = client.service_builder().start(&name, "1.0.0").await.unwrap();
    let mut prices = service.endpoint(&name).await.unwrap();
    let answer = async {
        let request = prices.next().await.unwrap();
        request.process(request.respond(Ok("7".into()))).await.unwrap();
        process_every_way!(request, |request: &Request| number(&request.message.payload))
    };
    let (answered, reply) = futures::join!(answer, client.request(name.clone(), "3".into()));
    assert_eq!(answered, Ok(3));
    assert_eq!(number(&reply.unwrap().payload), 7);
}

#[tokio::test]
async fn what_has_no_responders_is_a_batch_of_its_own() {
    let client = connect().await;
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(inbox.clone()).await.unwrap();
    let (nobody, none) = (unique("nobody"), async_nats::HeaderMap::new());
    client.publish(inbox.clone(), "7".into()).await.unwrap();
    client.publish_with_reply_and_headers(nobody, inbox, none, "?".into()).await.unwrap();
    let mut batches = replies.batches(2, PATIENCE);
    let Ok(first) = batches.next().await.unwrap();
    assert_eq!(first.iter().map(|message| message.status).collect::<Vec<_>>(), [None]);
    let Ok(second) = batches.next().await.unwrap();
    let no_responders = Some(async_nats::StatusCode::NO_RESPONDERS);
    assert_eq!(second.iter().map(|message| message.status).collect::<Vec<_>>(), [no_responders]);
}

#[tokio::test]
async fn fetched_messages_are_one_batch() {
    let orders = Orders::new().await;
    orders.send(0..3).await;
    let consumer = orders.consumer().await;
    let message = consumer.fetch().max_messages(1).messages().await.unwrap().next().await;
    let message = message.unwrap().unwrap();
    message.double_ack().await.unwrap();
    let payload = |message: &jetstream::Message| number(&message.payload);
    assert_eq!(process_every_way!(message, payload), Ok(0));

    let fetched = consumer.fetch().max_messages(9).messages().await.unwrap();
    let batch = fetched.into_batch().await.unwrap();
    assert_eq!(numbers(&batch), [1, 2]);
    for message in &batch {
        message.double_ack().await.unwrap();
    }
    let length = |batch: &Batch<jetstream::Message>| batch.len();
    assert_eq!(process_every_way!(batch, length), Ok(2));
    let fetched = consumer.fetch().max_messages(9).messages().await.unwrap();
    assert!(fetched.into_batch().await.unwrap().is_empty());
    orders.delete().await;
}

#[tokio::test]
async fn streams_have_batches_which_lose_nothing_in_a_select() {
    let orders = Orders::new().await;
    let mut messages = orders.consumer().await.messages().await.unwrap();
    let mut batches = messages.batches(3, PATIENCE);
    let mut seen = Vec::new();
    batches_in_a_select!(batches, orders.send(0..7), async |batch: Batch<jetstream::Message>| {
        assert_eq!(batch.len(), 3);
        seen.extend(numbers(&batch));
    });
    let mut last = messages.batches(1, PATIENCE);
    seen.extend(numbers(&last.next().await.unwrap().unwrap().into_vec()));
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
    orders.delete().await;
}

#[tokio::test]
async fn ordered_pushes_have_batches() {
    let orders = Orders::new().await;
    orders.send(0..2).await;
    let deliver_subject = orders.jetstream.client().new_inbox();
    let config = push::OrderedConfig { deliver_subject, ..Default::default() };
    let consumer: OrderedPushConsumer =
        orders.jetstream.create_consumer_on_stream(config, &orders.name).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    let batch = messages.batches(2, PATIENCE).next().await.unwrap().unwrap();
    assert_eq!(numbers(&batch), [0, 1]);
    orders.delete().await;
}
