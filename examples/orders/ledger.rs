//! The ledger: books invoices, a batch at a time.

use crate::{failure::Failure, progress::Progress};
use otel_messaging_rdkafka as rdkafka; // The line that changes.
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer, StreamConsumer},
    error::KafkaError,
    message::{BorrowedMessage, Message},
};
use std::{collections::BTreeMap, convert::Infallible, str, sync::Arc, time::Duration};

/// How many invoices the ledger books at once, and how long it waits for so many.
const BATCH: usize = 300;
const MAX_WAIT: Duration = Duration::from_secs(2);

pub(crate) struct Ledger {
    pub(crate) consumer: StreamConsumer,
    pub(crate) progress: Arc<Progress>,
}

impl Ledger {
    /// Books one batch after the other; a batch is committed when it has been booked.
    pub(crate) async fn run(self: Arc<Self>) -> Result<Infallible, Failure> {
        let mut batches = self.consumer.batches(BATCH, MAX_WAIT);
        while let Some(batch) = batches.next().await {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    self.progress.complain(error);
                    continue;
                }
            };
            batch.process(async { book(&batch) }).await?;
            self.commit(&batch)
                .map_err(|error| Failure::new(format!("a batch was not committed: {error}")))?;
            self.progress.count(|counts| counts.booked += batch.len() as u64);
        }
        Err(Failure::new("the stream of batches ended, which it never does"))
    }

    /// Kafka wants one offset for each partition: that of the next message.
    fn commit(&self, batch: &[BorrowedMessage<'_>]) -> Result<(), KafkaError> {
        let next: BTreeMap<_, _> = batch
            .iter()
            .map(|invoice| ((invoice.topic(), invoice.partition()), invoice.offset() + 1))
            .collect();
        let mut offsets = TopicPartitionList::new();
        for ((topic, partition), offset) in next {
            offsets.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        }
        self.consumer.commit(&offsets, CommitMode::Async)
    }
}

/// The handler: what all invoices of the batch come to, in cents.
fn book(batch: &[BorrowedMessage<'_>]) -> Result<u64, Failure> {
    let cents = |invoice: &BorrowedMessage<'_>| -> Option<u64> {
        let invoice = str::from_utf8(invoice.payload()?).ok()?;
        invoice.split_once(',')?.1.parse().ok()
    };
    batch.iter().try_fold(0_u64, |total, invoice| {
        let at = invoice.offset();
        let cents = cents(invoice);
        let cents = cents.ok_or(Failure::new(format!("what came at offset {at} is no invoice")))?;
        Ok(total.saturating_add(cents))
    })
}
