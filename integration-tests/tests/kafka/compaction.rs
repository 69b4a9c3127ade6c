//! Compacted topics: what is left is linked, and tombstones are marked.

use std::time::Duration;

use otel_messaging_rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList, bare,
    bare::consumer::{BaseConsumer, Consumer},
    otel::Operation,
    producer::FutureRecord,
    semconv as kafka,
};
use otel_messaging_testing::spans::remote;
use tokio::time::{interval, timeout};

use crate::{shop::Shop, support::PATIENCE};

/// The topic is compacted as soon as it may be, and keeps tombstones.
const COMPACTED: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    ("segment.ms", "100"),
    ("min.cleanable.dirty.ratio", "0.0001"),
    ("min.compaction.lag.ms", "0"),
    ("delete.retention.ms", "86400000"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_compaction_leaves_is_linked() {
    let shop = Shop::open_with(1, &COMPACTED).await;
    let producer = shop.clients.producer();
    let order = |key, payload| {
        let record = FutureRecord::<str, str>::to(&shop.orders).partition(0).key(key);
        FutureRecord { payload, ..record }
    };
    for (key, payload) in
        [("apples", Some("1")), ("pears", Some("2")), ("apples", Some("3")), ("pears", None)]
    {
        producer.send(order(key, payload), PATIENCE).await.expect("it is delivered");
    }
    let sends = shop.clients.telemetry.wait_for(4);
    compact(&shop).await;

    shop.clients.telemetry.clear();
    let consumer = shop.clients.consumer_with(&shop.consumer_config(), &shop.orders);
    for offset in [2, 3] {
        let order = consumer.recv().await.unwrap();
        assert_eq!((order.offset(), order.payload().is_none()), (offset, offset == 3));
        order.process(async {}).await;
    }
    let expected = [2, 3].into_iter().flat_map(|offset| {
        [kafka::POLL, Operation::PROCESS].map(|operation| {
            let send = &sends[usize::try_from(offset).unwrap()].span_context;
            let tombstone = (offset == 3).then(|| (kafka::MESSAGE_TOMBSTONE, true.into()));
            shop.clients
                .span_at(operation, &shop.orders, 0, offset)
                .attributes(tombstone)
                .linked_to(remote(send))
        })
    });
    shop.clients.telemetry.wait_for(4);
    shop.clients.telemetry.assert_spans(expected);
}

/// Makes the broker close its segment by sending more, until what is superseded is gone.
async fn compact(shop: &Shop) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &shop.clients.servers);
    let producer: bare::producer::FutureProducer = config.create().unwrap();
    config.set("group.id", shop.topics.full_name("onlooker"));
    let onlooker: BaseConsumer = config.create().unwrap();
    let compacted = async {
        let mut pauses = interval(Duration::from_millis(200));
        loop {
            producer.send(shop.order(0, "filler"), PATIENCE).await.expect("it is delivered");
            let mut beginning = TopicPartitionList::new();
            beginning.add_partition_offset(&shop.orders, 0, Offset::Beginning).unwrap();
            onlooker.assign(&beginning).unwrap();
            // The client may take its time, while the broker changes its files.
            let first = onlooker.poll(Duration::from_secs(1));
            if first.is_some_and(|first| first.unwrap().offset() == 2) {
                return;
            }
            pauses.tick().await;
        }
    };
    timeout(4 * PATIENCE, compacted).await.expect("the topic is compacted");
}
