//! A disabled instrumentation allocates nothing beside the client's own, with the feature `otel`
//! and without.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
    time::Duration,
};

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

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(unsafe_code, reason = "an allocator is unsafe")]
// SAFETY: everything is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // It may be called while the thread ends.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Returns how often `work` allocates in this thread.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
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

fn headers() -> OwnedHeaders {
    OwnedHeaders::new().insert(Header { key: "traceparent", value: Some("00-a-b-01") })
}

/// Asserts that our work allocates as often as the client's, each of which is done several times.
#[track_caller]
fn assert_same(mut ours: impl FnMut() -> u64, mut bare: impl FnMut() -> u64) {
    for _ in 0..3 {
        ours();
        bare();
    }
    assert_eq!(ours(), bare());
}

#[test]
fn a_polled_producer_allocates_as_the_clients_own() {
    let (_cluster, config) = cluster();
    let ours: BaseProducer<Own> =
        BaseProducer::create(&config, Own, &Instrumentation::disabled()).unwrap();
    let bare: bare::producer::BaseProducer<Own> = config.create_with_context(Own).unwrap();
    let opaque = Arc::new(7);
    let record = || {
        let record = BaseRecord::<str, str, _>::with_opaque_to("orders", Arc::clone(&opaque));
        record.payload("x").headers(headers())
    };
    assert_same(
        || allocations(|| ours.send(record()).map_err(|(error, _)| error).unwrap()),
        || allocations(|| bare.send(record()).map_err(|(error, _)| error).unwrap()),
    );
    ours.flush(PATIENCE).unwrap();
    bare.flush(PATIENCE).unwrap();
    assert_eq!(Arc::strong_count(&opaque), 1, "each came back");
}

#[test]
fn a_future_producer_allocates_as_the_clients_own() {
    let (_cluster, config) = cluster();
    let off = Instrumentation::disabled();
    let ours: FutureProducer = FutureProducer::create(&config, DefaultClientContext, &off).unwrap();
    let bare: bare::producer::FutureProducer = config.create().unwrap();
    let record = || FutureRecord::<str, str>::to("orders").payload("x").headers(headers());
    assert_same(
        || allocations(|| assert!(block_on(ours.send_result(record()).unwrap()).unwrap().is_ok())),
        || allocations(|| assert!(block_on(bare.send_result(record()).unwrap()).unwrap().is_ok())),
    );
}

#[test]
fn a_consumer_allocates_as_the_clients_own() {
    let (_cluster, mut config) = cluster();
    let producer: bare::producer::BaseProducer = config.create().unwrap();
    for _ in 0..8 {
        let record = BaseRecord::<str, str>::to("orders").payload("x").headers(headers());
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    config.set("group.id", "disabled").set("fetch.wait.max.ms", "10");
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("orders", 0, Offset::Beginning).unwrap();
    let off = Instrumentation::disabled();
    let ours: BaseConsumer = BaseConsumer::create(&config, DefaultConsumerContext, &off).unwrap();
    let bare: bare::consumer::BaseConsumer = config.create().unwrap();
    ours.assign(&assignment).unwrap();
    bare.assign(&assignment).unwrap();
    assert_same(
        || {
            allocations(|| {
                let message = ours.poll(PATIENCE).unwrap().unwrap();
                block_on(message.process(async {}));
                ours.commit_message(&message, CommitMode::Sync).unwrap();
            })
        },
        || {
            allocations(|| {
                let message = bare.poll(PATIENCE).unwrap().unwrap();
                bare.commit_message(&message, CommitMode::Sync).unwrap();
            })
        },
    );
}
