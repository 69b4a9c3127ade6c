//! Producers, whose records carry the context they were sent in.
//!
//! Mirrors [`rdkafka::producer`] with instrumented producers under the client's own names. A send
//! span ends with the delivery report, also where the caller has dropped the future.

mod context;
mod delivery;
mod future;
mod polled;
mod report;

use std::{iter::Zip, vec::IntoIter};

use otel_messaging_core::{ActiveOperation, CreationContext, client::Shares};
pub use rdkafka::producer::*;
use rdkafka::{
    TopicPartitionList, client::Client, consumer::ConsumerGroupMetadata, error::KafkaResult,
    util::Timeout,
};

pub use self::{
    context::InstrumentedContext,
    delivery::DeliveryFuture,
    future::FutureProducer,
    polled::{BaseProducer, ThreadedProducer},
};
pub use crate::native::Tracked;
use crate::{
    Instrumented,
    forward::forward,
    outgoing::{Outgoing, Record},
    semconv, server, settle,
};

/// Mirrors [`rdkafka::producer::base_producer`].
pub mod base_producer {
    pub use rdkafka::producer::base_producer::*;

    pub use super::{BaseProducer, ThreadedProducer};
}

/// Mirrors [`rdkafka::producer::future_producer`].
pub mod future_producer {
    pub use rdkafka::producer::future_producer::*;

    pub use super::{DeliveryFuture, FutureProducer, delivery::OwnedDeliveryResult};
}

/// Sending offsets to a transaction has a settle span.
impl<C, Part, K> Producer<C, Part> for Instrumented<K>
where
    C: ProducerContext<Part>,
    Part: Partitioner,
    K: Producer<C, Part>,
{
    fn send_offsets_to_transaction<T: Into<Timeout>>(
        &self,
        offsets: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
        timeout: T,
    ) -> KafkaResult<()> {
        settle::offsets(&self.instrumenter, Some(offsets), || {
            self.client.send_offsets_to_transaction(offsets, group, timeout)
        })
    }

    forward! {
        fn client(&self) -> &Client<C>;
        fn in_flight_count(&self) -> i32;
        fn flush<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()>;
        fn purge(&self, flags: PurgeConfig);
        fn init_transactions<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()>;
        fn begin_transaction(&self) -> KafkaResult<()>;
        fn commit_transaction<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()>;
        fn abort_transaction<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()>;
    }
}

impl<K> Instrumented<K> {
    /// Starts the send operation of one record.
    fn start<C, Part, R>(
        &self,
        outgoing: &mut Outgoing<R>,
        creation: Option<&CreationContext>,
    ) -> ActiveOperation
    where
        C: ProducerContext<Part>,
        Part: Partitioner,
        K: Producer<C, Part>,
        R: Record,
    {
        server::learn_cluster(&self.instrumenter, self.client.client());
        match creation {
            Some(creation) => {
                self.instrumenter.send_with_context(semconv::SEND, outgoing, creation)
            }
            None => self.instrumenter.send(semconv::SEND, outgoing),
        }
    }

    /// Starts the send operation of a batch. Each record has its share of it.
    fn start_batch<C, Part, R>(
        &self,
        records: impl IntoIterator<Item = R>,
    ) -> Zip<IntoIter<Outgoing<R>>, Shares>
    where
        C: ProducerContext<Part>,
        Part: Partitioner,
        K: Producer<C, Part>,
        R: Record,
    {
        server::learn_cluster(&self.instrumenter, self.client.client());
        let records = records.into_iter().map(|record| Outgoing::new(record, self.size_limit));
        let mut records: Vec<_> = records.collect();
        let shares = self.instrumenter.send_batch(semconv::SEND, &mut records);
        records.into_iter().zip(shares)
    }
}
