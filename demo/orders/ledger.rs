//! The ledger: books invoices in batches.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use otel_messaging::rdkafka; // was: the rdkafka crate itself
use otel_messaging_demo::{Result, log, service::Run};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer, StreamConsumer},
    message::{BorrowedMessage, Message},
};

use crate::cluster;

/// How many invoices are booked at once, and how long the first of them waits for the others.
const BATCH: u64 = 300;
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Books one batch after the other. A batch is committed when it was booked.
pub(crate) async fn run(run: Arc<Run>) -> Result {
    let consumer: StreamConsumer = cluster::consumer("ledger", &run.name("ledger"))?.create()?;
    consumer.subscribe(&[&run.name("invoices")])?;
    let mut batches = consumer.batches(usize::try_from(BATCH.min(run.orders))?, MAX_WAIT);
    while !run.is_complete() {
        match batches.next().await.ok_or("the stream of invoices has ended")? {
            Ok(batch) => {
                batch.process(async { book(&batch) }).await?;
                commit(&consumer, &batch)?;
                run.add(batch.len());
            }
            // The client tries again by itself.
            Err(error) => log(error),
        }
    }
    Ok(())
}

/// Handles a batch: returns what all its invoices come to.
fn book(batch: &[BorrowedMessage<'_>]) -> Result<f64> {
    let mut sum = 0.0;
    for invoice in batch {
        let invoice = str::from_utf8(invoice.payload().unwrap_or_default())?;
        sum += invoice.split_once(',').ok_or("this is no invoice")?.1.parse::<f64>()?;
    }
    Ok(sum)
}

/// Commits the next message of each partition that the batch has messages from.
fn commit(consumer: &StreamConsumer, batch: &[BorrowedMessage<'_>]) -> Result {
    let next: BTreeMap<_, _> = batch
        .iter()
        .map(|invoice| ((invoice.topic(), invoice.partition()), invoice.offset() + 1))
        .collect();
    let mut offsets = TopicPartitionList::new();
    for ((topic, partition), offset) in next {
        offsets.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    }
    Ok(consumer.commit(&offsets, CommitMode::Async)?)
}
