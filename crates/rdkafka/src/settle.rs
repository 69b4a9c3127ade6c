//! Committing: the settlement of what was consumed (rule R17).

use opentelemetry::KeyValue;
use otel_messaging_core::{ActiveOperation, Endpoint};
use rdkafka::{
    Offset, TopicPartitionList, error::KafkaResult, topic_partition_list::TopicPartitionListElem,
};

use crate::{failure, message::destination, semconv};

/// Commits by `commit`, in a span that names the topic, partition and offset where there is one.
pub(crate) fn offsets(
    endpoint: &Endpoint,
    offsets: Option<&TopicPartitionList>,
    commit: impl FnOnce() -> KafkaResult<()>,
) -> KafkaResult<()> {
    if !endpoint.is_enabled() {
        return commit();
    }
    let elements = offsets.map(TopicPartitionList::elements).unwrap_or_default();
    let (first, rest) = match elements.split_first() {
        Some((first, rest)) => (Some(first), rest),
        None => (None, &[][..]),
    };
    let topic = first.filter(|first| rest.iter().all(|other| other.topic() == first.topic()));
    let only = first.filter(|_| rest.is_empty());
    let partition = only.map_or(-1, TopicPartitionListElem::partition);
    let destination = topic.map(|topic| destination(topic.topic(), partition));
    let mut operation = endpoint.settle(semconv::COMMIT, destination);
    if let Some(Offset::Offset(offset)) = only.map(TopicPartitionListElem::offset) {
        operation.set_attribute(KeyValue::new(semconv::OFFSET, offset));
    }
    end(operation, commit())
}

pub(crate) fn end(operation: ActiveOperation, result: KafkaResult<()>) -> KafkaResult<()> {
    match &result {
        Ok(()) => operation.end(),
        Err(error) => operation.fail(failure::of(error)),
    }
    result
}
