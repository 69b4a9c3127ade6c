//! Consumers, whose messages know the context they were created in.
//!
//! Mirrors [`rdkafka::consumer`] with instrumented consumers under the client's own names. Each
//! message that is handed over has a receive span, or each batch; each commit has a settle span.

mod base;
mod stream;

use otel_messaging_core::{Failure, Instrumenter, client::Clock};
pub use rdkafka::consumer::*;
use rdkafka::{
    Offset, TopicPartitionList,
    client::Client,
    error::{KafkaError, KafkaResult},
    groups::GroupList,
    message as bare,
    metadata::Metadata,
    util::Timeout,
};

pub use self::{
    base::BaseConsumer,
    stream::{Batches, MessageStream, StreamConsumer},
};
use crate::{
    Instrumented,
    error_type::failure,
    forward::forward,
    message::{BorrowedMessage, Delivered},
    semconv, server, settle,
};

/// Mirrors [`rdkafka::consumer::base_consumer`].
pub mod base_consumer {
    pub use super::base::{BaseConsumer, Iter, PartitionQueue};
}

/// Mirrors [`rdkafka::consumer::stream_consumer`].
pub mod stream_consumer {
    pub use super::stream::{
        Batches, MessageStream, Messages, StreamConsumer, StreamPartitionQueue,
    };
}

/// Commits have a settle span. Storing an offset has none: it is committed later, in the
/// background.
impl<C: ConsumerContext, K: Consumer<C>> Consumer<C> for Instrumented<K> {
    fn commit(&self, offsets: &TopicPartitionList, mode: CommitMode) -> KafkaResult<()> {
        let commit = || self.client.commit(offsets, mode);
        settle::offsets(&self.instrumenter, Some(offsets), commit)
    }

    fn commit_consumer_state(&self, mode: CommitMode) -> KafkaResult<()> {
        let commit = || self.client.commit_consumer_state(mode);
        settle::offsets(&self.instrumenter, None, commit)
    }

    fn commit_message(
        &self,
        message: &bare::BorrowedMessage<'_>,
        mode: CommitMode,
    ) -> KafkaResult<()> {
        let received = self.instrumenter.extract(Delivered(message));
        let operation = received.settle(semconv::COMMIT);
        settle::end(operation, self.client.commit_message(message, mode))
    }

    forward! {
        fn client(&self) -> &Client<C>;
        fn group_metadata(&self) -> Option<ConsumerGroupMetadata>;
        fn subscribe(&self, topics: &[&str]) -> KafkaResult<()>;
        fn unsubscribe(&self);
        fn assign(&self, assignment: &TopicPartitionList) -> KafkaResult<()>;
        fn unassign(&self) -> KafkaResult<()>;
        fn incremental_assign(&self, assignment: &TopicPartitionList) -> KafkaResult<()>;
        fn incremental_unassign(&self, assignment: &TopicPartitionList) -> KafkaResult<()>;
        fn assignment_lost(&self) -> bool;
        fn seek<T: Into<Timeout>>(
            &self,
            topic: &str,
            partition: i32,
            offset: Offset,
            timeout: T,
        ) -> KafkaResult<()>;
        fn seek_partitions<T: Into<Timeout>>(
            &self,
            partitions: TopicPartitionList,
            timeout: T,
        ) -> KafkaResult<TopicPartitionList>;
        fn store_offset(&self, topic: &str, partition: i32, offset: i64) -> KafkaResult<()>;
        fn store_offset_from_message(&self, message: &bare::BorrowedMessage<'_>) -> KafkaResult<()>;
        fn store_offsets(&self, offsets: &TopicPartitionList) -> KafkaResult<()>;
        fn subscription(&self) -> KafkaResult<TopicPartitionList>;
        fn assignment(&self) -> KafkaResult<TopicPartitionList>;
        fn committed<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<TopicPartitionList>;
        fn committed_offsets<T: Into<Timeout>>(
            &self,
            partitions: TopicPartitionList,
            timeout: T,
        ) -> KafkaResult<TopicPartitionList>;
        fn offsets_for_timestamp<T: Into<Timeout>>(
            &self,
            timestamp: i64,
            timeout: T,
        ) -> KafkaResult<TopicPartitionList>;
        fn offsets_for_times<T: Into<Timeout>>(
            &self,
            timestamps: TopicPartitionList,
            timeout: T,
        ) -> KafkaResult<TopicPartitionList>;
        fn position(&self) -> KafkaResult<TopicPartitionList>;
        fn fetch_metadata<T: Into<Timeout>>(
            &self,
            topic: Option<&str>,
            timeout: T,
        ) -> KafkaResult<Metadata>;
        fn fetch_watermarks<T: Into<Timeout>>(
            &self,
            topic: &str,
            partition: i32,
            timeout: T,
        ) -> KafkaResult<(i64, i64)>;
        fn fetch_group_list<T: Into<Timeout>>(
            &self,
            group: Option<&str>,
            timeout: T,
        ) -> KafkaResult<GroupList>;
        fn pause(&self, partitions: &TopicPartitionList) -> KafkaResult<()>;
        fn resume(&self, partitions: &TopicPartitionList) -> KafkaResult<()>;
        fn rebalance_protocol(&self) -> RebalanceProtocol;
    }
}

/// Makes the receive span of what the client handed over, for a call that began at `clock`.
#[inline]
fn handed_over<'a, C: ConsumerContext>(
    instrumenter: &Instrumenter,
    client: &Client<C>,
    clock: Clock,
    result: KafkaResult<bare::BorrowedMessage<'a>>,
) -> KafkaResult<BorrowedMessage<'a>> {
    server::learn_cluster(instrumenter, client);
    match result {
        Ok(message) => Ok(BorrowedMessage::received(message, instrumenter, clock)),
        Err(error) => {
            if instrumenter.is_enabled()
                && let Some(failure) = receive_failure(&error)
            {
                instrumenter.receive_failed(semconv::POLL, clock, None, failure);
            }
            Err(error)
        }
    }
}

/// Returns how receiving failed. The end of a partition is no failure: the client was asked to
/// report it.
fn receive_failure(error: &KafkaError) -> Option<Failure> {
    (!matches!(error, KafkaError::PartitionEOF(_))).then(|| failure(error))
}
