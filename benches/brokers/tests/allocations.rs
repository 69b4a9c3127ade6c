//! Asserts what instrumentation allocates beside the client, in the calling thread, where the client
//! crates' own tests (`tests/allocations.rs`) do not: a batch of Kafka, on librdkafka's embedded
//! cluster, and a delivery of RabbitMQ that no broker sent.
//!
//! **To change a number**: it is in [`EXPECTED`]. A path that allocates less than that fails, too.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use lapin::{
    BasicProperties,
    message::Delivery,
    options::BasicAckOptions,
    types::{AMQPValue, FieldTable},
};
use otel_messaging_benches::{
    allocations::{CountingAllocator, count, is_counting},
    providers::{RAISED_LINK_LIMIT, Sampling, meter_provider, tracer_provider},
};
use otel_messaging_core::{Instrumentation, Instrumenter};
use otel_messaging_lapin as our_lapin;
use otel_messaging_rdkafka as our_rdkafka;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{Consumer, StreamConsumer},
    message::{Header, OwnedHeaders},
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, Producer},
};
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// What is on. The columns of [`EXPECTED`].
const MODES: [Mode; 4] = [Mode::Disabled, Mode::Metrics, Mode::SampledOut, Mode::Recorded];

/// The allocations over those of the bare client on the same messages.
const EXPECTED: [(&str, [u64; 4]); 2] = [
    // path, disabled, metrics only, metrics and sampled out, metrics and recorded
    ("kafka batch of 100", [1, 1, 212, 215]),
    ("rabbitmq process and ack", [1, 4, 14, 16]),
];

const PATIENCE: Duration = Duration::from_secs(30);
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Disabled,
    Metrics,
    SampledOut,
    Recorded,
}

impl Mode {
    fn instrumentation(self) -> Instrumentation {
        let builder = Instrumentation::builder()
            .with_link_limit(RAISED_LINK_LIMIT.into())
            .with_meter_provider(meter_provider());
        let traced = |sampling| tracer_provider(sampling, RAISED_LINK_LIMIT);
        match self {
            Self::Disabled => Instrumentation::disabled(),
            Self::Metrics => builder.with_tracing(false).build(),
            Self::SampledOut => builder.with_tracer_provider(traced(Sampling::SampledOut)).build(),
            Self::Recorded => builder.with_tracer_provider(traced(Sampling::Recording)).build(),
        }
    }
}

/// Asserts that `path` allocates as the table says. `ours` makes one run with an instrumentation,
/// `bare` one without; each returns its allocations.
#[track_caller]
fn assert_added(path: &str, bare: impl FnMut() -> u64, mut ours: impl FnMut(Mode) -> u64) {
    assert!(is_counting());
    let (_, expected) =
        EXPECTED.iter().find(|(name, _)| *name == path).expect("it is in the table");
    let bare = steady(bare);
    let added = MODES.map(|mode| {
        let total = ours(mode);
        total.checked_sub(bare).unwrap_or_else(|| panic!("{mode:?} allocates less than the client"))
    });
    assert_eq!(added, *expected, "{path}: {MODES:?}, over {bare} of the client");
}

/// Returns the fewest allocations of eight runs, after three runs that are not counted: the first ones
/// build what is kept, and in some of the others a buffer of ours or of the client's grows.
fn steady(mut run: impl FnMut() -> u64) -> u64 {
    for _ in 0..3 {
        run();
    }
    (0..8).map(|_| run()).min().unwrap_or_default()
}

/// Counts the allocations of `work`, and returns them with its result.
fn counted<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let mut result = None;
    let allocations = count(|| result = Some(work()));
    (allocations, result.expect("it has run"))
}

#[test]
fn a_batch_of_kafka() {
    const SIZE: usize = 100;
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", 1, 1).unwrap();
    let config = filled(&cluster.bootstrap_servers(), 20 * SIZE);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let stream: StreamConsumer = runtime.block_on(async { consumer(&config) });
    let mut messages = stream.stream();
    let bare = || {
        let (allocations, ()) = counted(|| {
            runtime.block_on(async {
                let mut batch = Vec::with_capacity(SIZE);
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
        let stream: our_rdkafka::consumer::StreamConsumer =
            our_rdkafka::consumer::StreamConsumer::wrap(stream, &instrumentation);
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

/// Fills a topic with this number of messages with a context. Returns the configuration of a client.
fn filled(servers: &str, messages: usize) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("group.id", "allocations");
    let producer: BaseProducer = config.create().unwrap();
    for _ in 0..messages {
        let header = Header { key: "traceparent", value: Some(TRACEPARENT) };
        let record = BaseRecord::<'_, str, str>::to("orders").payload("7 apples");
        let record = record.partition(0).headers(OwnedHeaders::new().insert(header));
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    config
}

/// Makes a consumer of the whole topic.
fn consumer(config: &ClientConfig) -> StreamConsumer {
    let consumer: StreamConsumer = config.create().unwrap();
    let mut topic = TopicPartitionList::new();
    topic.add_partition_offset("orders", 0, Offset::Beginning).unwrap();
    consumer.assign(&topic).unwrap();
    consumer
}

#[test]
fn a_delivery_of_rabbitmq_that_is_processed_and_acknowledged() {
    let bare = || {
        let delivery = delivery();
        let (allocations, acknowledged) =
            counted(|| delivery.ack(BasicAckOptions::default()).now_or_never());
        assert_eq!(acknowledged, Some(Ok(true)));
        allocations
    };
    assert_added("rabbitmq process and ack", bare, |mode| {
        let instrumenter =
            Instrumenter::builder(our_lapin::semconv::SYSTEM).build(&mode.instrumentation());
        steady(|| {
            let delivery = delivery();
            let (allocations, acknowledged) = counted(|| {
                let delivery = our_lapin::message::Delivery::from_bare(
                    delivery,
                    "orders".into(),
                    &instrumenter,
                );
                delivery.process(async {}).now_or_never();
                delivery.ack(BasicAckOptions::default()).now_or_never()
            });
            assert_eq!(acknowledged, Some(Ok(true)));
            allocations
        })
    });
}

/// Makes a delivery with a context.
fn delivery() -> Delivery {
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::LongString(TRACEPARENT.into()));
    let mut delivery = Delivery::mock(1, "shop".into(), "orders".into(), false, Vec::new());
    delivery.properties = BasicProperties::default().with_headers(headers);
    delivery
}
