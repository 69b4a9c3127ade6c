//! The names that only RabbitMQ has in the conventions v1.44.0, and the verbs of its operations.

use otel_messaging_core::{Operation, OperationType, System};

/// The value of `messaging.system`, and the scope of all telemetry of this crate.
pub const SYSTEM: System =
    System::new("rabbitmq", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

/// The key of the routing key, which is recorded unless it is empty.
pub const ROUTING_KEY: &str = "messaging.rabbitmq.destination.routing_key";
/// The key of the delivery tag, a number.
pub const DELIVERY_TAG: &str = "messaging.rabbitmq.message.delivery_tag";

/// Publishes messages to an exchange.
pub const PUBLISH: Operation = Operation::new(OperationType::Send, "publish");
/// Asks a queue for one message.
pub const GET: Operation = Operation::new(OperationType::Receive, "get");
/// Receives the deliveries of a consumer.
pub const RECEIVE: Operation = Operation::new(OperationType::Receive, "receive");
/// Acknowledges deliveries.
pub const ACK: Operation = Operation::new(OperationType::Settle, "ack");
/// Refuses deliveries, several at once if need be.
pub const NACK: Operation = Operation::new(OperationType::Settle, "nack");
/// Refuses one delivery.
pub const REJECT: Operation = Operation::new(OperationType::Settle, "reject");

#[cfg(test)]
mod tests {
    use opentelemetry_semantic_conventions::attribute as official;

    use super::*;

    #[test]
    fn keys_are_those_of_the_official_crate() {
        assert_eq!(ROUTING_KEY, official::MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY);
        assert_eq!(DELIVERY_TAG, official::MESSAGING_RABBITMQ_MESSAGE_DELIVERY_TAG);
    }
}
