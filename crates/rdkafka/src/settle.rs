//! Committing: the settlement of consumed messages.

use otel_messaging_core::{ActiveOperation, AsReceived, Instrumenter};
use rdkafka::{
    Offset, TopicPartitionList, error::KafkaResult, topic_partition_list::TopicPartitionListElem,
};

use crate::{
    error_type::Failed,
    message::{BorrowedMessage, destination},
    semconv,
};

/// Calls `commit` in a settle span, which names the topic, partition and offset where there is one
/// only.
pub(crate) fn offsets(
    instrumenter: &Instrumenter,
    offsets: Option<&TopicPartitionList>,
    commit: impl FnOnce() -> KafkaResult<()>,
) -> KafkaResult<()> {
    if !instrumenter.is_enabled() {
        return commit();
    }
    let elements = offsets.map(TopicPartitionList::elements).unwrap_or_default();
    let first = elements.first();
    let topic = first.filter(|first| elements.iter().all(|other| other.topic() == first.topic()));
    let only = first.filter(|_| elements.len() == 1);
    let partition = only.map_or(-1, TopicPartitionListElem::partition);
    let destination = topic.map(|topic| destination(topic.topic(), partition));
    let mut operation = instrumenter.settle(semconv::COMMIT, destination);
    if let Some(Offset::Offset(offset)) = only.map(TopicPartitionListElem::offset) {
        operation.set_attribute(semconv::OFFSET, offset);
    }
    end(operation, commit())
}

/// Calls `commit` for a message, in a settle span that links to the message's creation context.
pub(crate) fn message(
    message: &BorrowedMessage<'_>,
    commit: impl FnOnce() -> KafkaResult<()>,
) -> KafkaResult<()> {
    let operation = message.as_received().settle(semconv::COMMIT);
    end(operation, commit())
}

/// Ends a settle operation with the client's result, which is returned.
pub(crate) fn end(operation: ActiveOperation, result: KafkaResult<()>) -> KafkaResult<()> {
    match &result {
        Ok(()) => operation.end(),
        Err(error) => operation.end_with(&Failed(error)),
    }
    result
}
