//! Rebalances of a consumer group while a member collects a batch.

use std::time::Duration;

use otel_messaging_rdkafka::{
    consumer::{CommitMode, Consumer, StreamConsumer},
    otel::semconv,
    topic_partition_list::TopicPartitionListElem,
};
use tokio::time::{interval, timeout};

use crate::{
    links::{Sends, named, text},
    shop::{Shop, names, place},
    support::PATIENCE,
};

/// The first member has ten messages of each partition in an unfinished batch when the second
/// takes a partition over. The batch goes on with the partition that is left; what was not
/// committed comes to the second member again, linked to the same sends.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_survives_a_rebalance() {
    let shop = Shop::open(2).await;
    let producer = shop.clients.producer();
    for partition in 0..2 {
        shop.sell(&producer, partition, &names("early", 10)).await;
    }
    let first = shop.clients.consumer_with(&shop.consumer_config(), &shop.orders);
    let mut batches = first.batches(30, PATIENCE);
    wait_until(|| consumed(&first) == 20, async {
        let batch = batches.next().await;
        panic!("the batch is not full yet: {batch:?}");
    })
    .await;

    let second = shop.clients.consumer_with(&shop.consumer_config(), &shop.orders);
    let mut taken_over = second.batches(20, PATIENCE);
    let shared = || partitions(&first).len() == 1 && partitions(&second).len() == 1;
    wait_until(shared, async {
        tokio::select! {
            batch = batches.next() => panic!("the batch is not full yet: {batch:?}"),
            batch = taken_over.next() => panic!("nor is the other: {batch:?}"),
        }
    })
    .await;
    let (kept, moved) = (partitions(&first)[0], partitions(&second)[0]);
    assert_ne!(kept, moved);
    for partition in [kept, moved] {
        shop.sell(&producer, partition, &names("late", 10)).await;
    }

    let (batch, other) = tokio::join!(batches.next(), taken_over.next());
    let (batch, other) = (batch.unwrap().unwrap(), other.unwrap().unwrap());
    batch.process(async {}).await;
    other.process(async {}).await;
    first.commit_consumer_state(CommitMode::Sync).unwrap();
    second.commit_consumer_state(CommitMode::Sync).unwrap();

    let mut places: Vec<_> = batch.iter().map(place).collect();
    let spans = shop.clients.telemetry.wait_for(40 + 2 + 2 + 2);
    let sends = Sends::among(&spans);
    assert_eq!(sends.len(), 40);
    assert_eq!(spans.len(), 46, "nothing else was recorded");
    let redelivered: Vec<_> = (0..20).map(|offset| (moved, offset)).collect();
    assert_eq!(other.iter().map(place).collect::<Vec<_>>(), redelivered);
    for verb in ["poll", "process"] {
        let found = named(&spans, &format!("{verb} {}", shop.orders));
        let [ours, theirs] = found[..] else { panic!("one of each batch: {found:?}") };
        let is_ours = text(ours, semconv::BATCH_MESSAGE_COUNT) == "30";
        let (ours, theirs) = if is_ours { (ours, theirs) } else { (theirs, ours) };
        assert_eq!(text(ours, semconv::BATCH_MESSAGE_COUNT), "30");
        assert_eq!(text(theirs, semconv::BATCH_MESSAGE_COUNT), "20");
        assert_eq!(text(theirs, semconv::DESTINATION_PARTITION_ID), moved.to_string());
        sends.assert_linked([ours], places.iter().copied(), true);
        sends.assert_linked([theirs], redelivered.iter().copied(), false);
    }
    places.sort_unstable();
    let early = (0..10).map(|offset| (moved, offset));
    let mut expected: Vec<_> = early.chain((0..20).map(|offset| (kept, offset))).collect();
    expected.sort_unstable();
    assert_eq!(places, expected, "nothing was lost, and nothing came twice");
}

/// Polls `work`, which must not end, until `condition` holds.
async fn wait_until(condition: impl Fn() -> bool, work: impl Future<Output = ()>) {
    let waiting = async {
        // There is no notification of a change.
        let mut ticks = interval(Duration::from_millis(20));
        while !condition() {
            ticks.tick().await;
        }
    };
    let either = async {
        tokio::select! {
            () = waiting => {}
            () = work => {}
        }
    };
    timeout(PATIENCE, either).await.expect("the condition comes true");
}

/// Returns how many messages the consumer has handed over.
fn consumed(consumer: &StreamConsumer) -> i64 {
    let position = consumer.position().expect("it has positions");
    let offsets = position.elements().into_iter().filter_map(|place| place.offset().to_raw());
    offsets.map(|offset| offset.max(0)).sum()
}

fn partitions(consumer: &StreamConsumer) -> Vec<i32> {
    let assignment = consumer.assignment().expect("it has one");
    assignment.elements().iter().map(TopicPartitionListElem::partition).collect()
}
