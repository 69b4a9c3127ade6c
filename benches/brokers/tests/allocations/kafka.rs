//! Kafka, on librdkafka's embedded cluster.

use std::time::Duration;

use futures::{StreamExt, executor::block_on};
use otel_messaging_rdkafka as ours;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, StreamConsumer},
    message::{Header, OwnedHeaders},
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
};

use crate::{Mode, assert_added, counted, steady};

const PATIENCE: Duration = Duration::from_secs(30);
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_send() {
    let (_cluster, config) = cluster();
    let record = || BaseRecord::<'_, str, str>::to("orders").payload("7 apples");
    let with_header = || record().headers(headers());
    let producer: BaseProducer = config.create().unwrap();
    let bare = || {
        let (allocations, outcome) = counted(|| {
            producer.send(with_header()).map_err(|(error, _)| error)?;
            producer.flush(PATIENCE)
        });
        outcome.unwrap();
        allocations
    };
    assert_added("kafka send", bare, |mode| {
        let context = DefaultProducerContext;
        let instrumentation = mode.instrumentation();
        let producer =
            ours::producer::BaseProducer::create(&config, context, &instrumentation).unwrap();
        // What writes no header is given one, as the bare client is.
        let writes = matches!(mode, Mode::SampledOut | Mode::Recorded);
        steady(|| {
            let (allocations, outcome) = counted(|| {
                let record = if writes { record() } else { with_header() };
                producer.send(record).map_err(|(error, _)| error)?;
                producer.flush(PATIENCE)
            });
            outcome.unwrap();
            allocations
        })
    });
}

#[test]
fn a_message_that_is_received_and_processed() {
    let (_cluster, config) = filled(20);
    let bare_consumer: BaseConsumer = consumer(&config);
    let bare = || {
        let (allocations, ()) = counted(|| drop(bare_consumer.poll(PATIENCE).unwrap().unwrap()));
        allocations
    };
    assert_added("kafka recv and process", bare, |mode| {
        let instrumentation = mode.instrumentation();
        let consumer: BaseConsumer = consumer(&config);
        let consumer = ours::consumer::BaseConsumer::wrap(consumer, &instrumentation);
        steady(|| {
            let (allocations, ()) = counted(|| {
                let message = consumer.poll(PATIENCE).unwrap().unwrap();
                block_on(message.process(async {}));
            });
            allocations
        })
    });
}

#[test]
fn a_batch() {
    const SIZE: usize = 100;
    let (_cluster, config) = filled(20 * SIZE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream: StreamConsumer = runtime.block_on(async { consumer(&config) });
    let mut messages = stream.stream();
    let bare = || {
        let (allocations, ()) = counted(|| {
            runtime.block_on(async {
                let mut batch = Vec::new();
                while batch.len() < SIZE {
                    batch.push(messages.next().await.unwrap().unwrap());
                }
            });
        });
        allocations
    };
    assert_added("kafka batch of 100", bare, |mode| {
        let instrumentation = mode.instrumentation();
        let stream = runtime.block_on(async { consumer(&config) });
        let stream: ours::consumer::StreamConsumer =
            ours::consumer::StreamConsumer::wrap(stream, &instrumentation);
        let mut batches = stream.batches(SIZE, PATIENCE);
        steady(|| {
            let (allocations, length) = counted(|| {
                runtime.block_on(async {
                    let batch = batches.next().await.unwrap().unwrap();
                    batch.process(async {}).await;
                    batch.len()
                })
            });
            assert_eq!(length, SIZE);
            allocations
        })
    });
}

fn cluster() -> (MockCluster<'static, DefaultProducerContext>, ClientConfig) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", 1, 1).unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", "allocations");
    (cluster, config)
}

/// Makes a cluster whose topic has this number of messages with a context.
fn filled(messages: usize) -> (MockCluster<'static, DefaultProducerContext>, ClientConfig) {
    let (cluster, config) = cluster();
    let producer: BaseProducer = config.create().unwrap();
    for _ in 0..messages {
        let record = BaseRecord::<'_, str, str>::to("orders").payload("7 apples");
        producer.send(record.headers(headers())).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    (cluster, config)
}

/// Makes a consumer of the whole topic.
fn consumer<C: Consumer + rdkafka::config::FromClientConfig>(config: &ClientConfig) -> C {
    let consumer: C = config.create().unwrap();
    let mut topic = TopicPartitionList::new();
    topic.add_partition_offset("orders", 0, Offset::Beginning).unwrap();
    consumer.assign(&topic).unwrap();
    consumer
}

fn headers() -> OwnedHeaders {
    OwnedHeaders::new().insert(Header { key: "traceparent", value: Some(TRACEPARENT) })
}
