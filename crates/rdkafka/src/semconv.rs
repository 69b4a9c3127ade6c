//! Names of attributes that only Kafka has in the conventions v1.44.0, and Kafka's operations.

use otel_messaging_core::{Operation, OperationType, System};

/// Names the messaging system and the instrumentation scope of this crate.
pub const SYSTEM: System = System::new("kafka", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
    .with_key_attribute(MESSAGE_KEY);

/// `messaging.kafka.cluster.id`.
pub const CLUSTER_ID: &str = "messaging.kafka.cluster.id";
/// `messaging.kafka.message.key`; recorded only when asked for.
pub const MESSAGE_KEY: &str = "messaging.kafka.message.key";
/// `messaging.kafka.message.tombstone`; recorded only when true.
pub const MESSAGE_TOMBSTONE: &str = "messaging.kafka.message.tombstone";
/// `messaging.kafka.offset`, a number.
pub const OFFSET: &str = "messaging.kafka.offset";

/// Hands records to the cluster.
pub const SEND: Operation = Operation::new(OperationType::Send, "send");
/// Takes messages from the consumer's queue.
pub const POLL: Operation = Operation::new(OperationType::Receive, "poll");
/// Commits offsets, by the consumer or within a transaction.
pub const COMMIT: Operation = Operation::new(OperationType::Settle, "commit");

#[cfg(test)]
mod tests {
    use opentelemetry_semantic_conventions::attribute as official;

    use super::*;

    #[test]
    fn keys_are_those_of_the_official_crate() {
        for (ours, theirs) in [
            (MESSAGE_KEY, official::MESSAGING_KAFKA_MESSAGE_KEY),
            (MESSAGE_TOMBSTONE, official::MESSAGING_KAFKA_MESSAGE_TOMBSTONE),
            (OFFSET, official::MESSAGING_KAFKA_OFFSET),
        ] {
            assert_eq!(ours, theirs);
        }
        // New in v1.44.0, which the official crate has not reached yet.
        assert_eq!(CLUSTER_ID, "messaging.kafka.cluster.id");
    }
}
