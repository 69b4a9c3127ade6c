//! What is allocated for a message beside what the client itself allocates. Without telemetry that
//! is nothing, with the feature `otel` and without.
//!
//! The C library's own memory is not counted.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

use std::{sync::Arc, time::Duration};

use allocation_counter::measure;
use futures::executor::block_on;
use otel_messaging_rdkafka as rdkafka;
use rdkafka::{
    ClientConfig, ClientContext, Offset, TopicPartitionList, bare,
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer, DefaultConsumerContext},
    message::{DeliveryResult, Header, OwnedHeaders},
    mocking::MockCluster,
    otel::Instrumentation,
    producer::{
        BaseProducer, BaseRecord, DefaultProducerContext, FutureProducer, FutureRecord, Producer,
        ProducerContext,
    },
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Runs before something is counted, which build what is built once.
const WARM_UP: usize = 20;

/// Returns how often `work` allocates in this thread.
fn allocations(mut work: impl FnMut()) -> u64 {
    (0..WARM_UP).for_each(|_| work());
    measure(work).count_total
}

/// The application's context, with an opaque that is a pointer itself.
struct Own;

impl ClientContext for Own {}

impl ProducerContext for Own {
    type DeliveryOpaque = Arc<u32>;

    fn delivery(&self, _: &DeliveryResult<'_>, _: Arc<u32>) {}
}

fn cluster() -> (MockCluster<'static, DefaultProducerContext>, ClientConfig) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", 1, 1).unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    (cluster, config)
}

/// A producer that never reaches a broker takes records all the same.
fn unreachable() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", "127.0.0.1:1").set("log_level", "0");
    config
}

fn headers(traceparent: &str) -> OwnedHeaders {
    OwnedHeaders::new().insert(Header { key: "traceparent", value: Some(traceparent) })
}

/// Counts the allocations of a record, from `send` to its delivery report, beside the client's.
fn of_a_polled_record(instrumentation: &Instrumentation) -> u64 {
    let record = || BaseRecord::<str, str>::to("orders").payload("7 apples");
    let ours: BaseProducer =
        BaseProducer::create(&unreachable(), DefaultProducerContext, instrumentation).unwrap();
    let by_us = allocations(|| ours.send(record()).map_err(|(error, _)| error).unwrap());
    let bare: bare::producer::BaseProducer = unreachable().create().unwrap();
    let by_client = allocations(|| bare.send(record()).map_err(|(error, _)| error).unwrap());
    by_us - by_client
}

/// Does the same with an opaque of the application's.
fn of_a_record_with_an_opaque(instrumentation: &Instrumentation) -> u64 {
    let opaque = Arc::new(7);
    let record = || {
        let record = BaseRecord::<str, str, _>::with_opaque_to("orders", Arc::clone(&opaque));
        record.payload("7 apples")
    };
    let ours: BaseProducer<Own> =
        BaseProducer::create(&unreachable(), Own, instrumentation).unwrap();
    let by_us = allocations(|| ours.send(record()).map_err(|(error, _)| error).unwrap());
    let bare: bare::producer::BaseProducer<Own> = unreachable().create_with_context(Own).unwrap();
    let by_client = allocations(|| bare.send(record()).map_err(|(error, _)| error).unwrap());
    drop((ours, bare));
    assert_eq!(Arc::strong_count(&opaque), 1, "each came back");
    by_us - by_client
}

/// Counts the allocations of a record until its delivery is awaited, beside the client's.
fn of_a_future_record(instrumentation: &Instrumentation) -> u64 {
    let record = || FutureRecord::<str, str>::to("orders").payload("7 apples");
    let ours: FutureProducer =
        FutureProducer::create(&unreachable(), DefaultClientContext, instrumentation).unwrap();
    let by_us = allocations(|| drop(ours.send_result(record()).unwrap()));
    let bare: bare::producer::FutureProducer = unreachable().create().unwrap();
    by_us - allocations(|| drop(bare.send_result(record()).unwrap()))
}

/// Counts the allocations of a message that is received and processed, beside the client's.
fn of_a_message(instrumentation: &Instrumentation) -> u64 {
    consumed(
        instrumentation,
        |consumer| {
            let message = consumer.poll(PATIENCE).unwrap().unwrap();
            block_on(message.process(async {}));
        },
        |consumer| drop(consumer.poll(PATIENCE).unwrap().unwrap()),
    )
}

/// Does the same with a message whose offset is committed.
fn of_a_committed_message(instrumentation: &Instrumentation) -> u64 {
    consumed(
        instrumentation,
        |consumer| {
            let message = consumer.poll(PATIENCE).unwrap().unwrap();
            block_on(message.process(async {}));
            consumer.commit_message(&message, CommitMode::Async).unwrap();
        },
        |consumer| {
            let message = consumer.poll(PATIENCE).unwrap().unwrap();
            consumer.commit_message(&message, CommitMode::Async).unwrap();
        },
    )
}

fn consumed(
    instrumentation: &Instrumentation,
    by_us: fn(&BaseConsumer),
    by_client: fn(&bare::consumer::BaseConsumer),
) -> u64 {
    let (_cluster, mut config) = cluster();
    let producer: bare::producer::BaseProducer = config.create().unwrap();
    for _ in 0..=WARM_UP {
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let record =
            BaseRecord::<str, str>::to("orders").payload("x").headers(headers(traceparent));
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    config.set("group.id", "counted").set("fetch.wait.max.ms", "10");
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("orders", 0, Offset::Beginning).unwrap();
    let ours: BaseConsumer =
        BaseConsumer::create(&config, DefaultConsumerContext, instrumentation).unwrap();
    let bare: bare::consumer::BaseConsumer = config.create().unwrap();
    ours.assign(&assignment).unwrap();
    bare.assign(&assignment).unwrap();
    let by_us = allocations(|| by_us(&ours));
    by_us - allocations(|| by_client(&bare))
}

#[test]
fn without_telemetry_nothing_is_allocated() {
    let disabled = Instrumentation::disabled();
    assert_eq!(of_a_polled_record(&disabled), 0);
    assert_eq!(of_a_record_with_an_opaque(&disabled), 0);
    assert_eq!(of_a_future_record(&disabled), 0);
    assert_eq!(of_a_message(&disabled), 0);
    assert_eq!(of_a_committed_message(&disabled), 0);
}

#[cfg(feature = "otel")]
mod rungs {
    use otel_messaging_testing::rungs::Rung;

    use super::*;

    /// Asserts what `path` allocates without telemetry, without a provider, with metrics only,
    /// sampled out and recording.
    #[track_caller]
    fn assert_allocations(path: fn(&Instrumentation) -> u64, expected: [u64; 5]) {
        assert_eq!(Rung::ALL.map(|rung| path(&rung.instrumentation())), expected);
    }

    /// The attributes and the span. What records is in a box until the delivery report ends it; all
    /// else is in the bits of the pointer that goes through the client.
    #[test]
    fn a_polled_record_allocates_its_span() {
        assert_allocations(of_a_polled_record, [0, 0, 0, 2, 3]);
    }

    /// The box is there for the opaque too.
    #[test]
    fn a_record_with_an_opaque_allocates_a_box() {
        assert_allocations(of_a_record_with_an_opaque, [0, 1, 1, 3, 3]);
    }

    #[test]
    fn a_future_record_allocates_its_report() {
        assert_allocations(of_a_future_record, [0, 0, 1, 3, 3]);
    }

    #[test]
    fn a_message_allocates_its_spans() {
        assert_allocations(of_a_message, [0, 1, 1, 7, 10]);
    }

    #[test]
    fn a_committed_message_allocates_a_span_more() {
        assert_allocations(of_a_committed_message, [0, 1, 1, 11, 15]);
    }
}
