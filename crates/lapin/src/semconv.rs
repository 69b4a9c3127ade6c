//! The names that only RabbitMQ has in the conventions v1.44.0, and what AMQP calls its operations.

use otel_messaging_core::{Operation, OperationType, System};

/// The value of `messaging.system`, and the scope of all telemetry of this crate.
pub const SYSTEM: System =
    System::new("rabbitmq", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

/// `messaging.rabbitmq.destination.routing_key`: only when not empty.
pub const ROUTING_KEY: &str = "messaging.rabbitmq.destination.routing_key";
/// `messaging.rabbitmq.message.delivery_tag`: a number.
pub const DELIVERY_TAG: &str = "messaging.rabbitmq.message.delivery_tag";

/// Publishing to an exchange.
pub const PUBLISH: Operation = Operation::new(OperationType::Send, "publish");
/// Asking a queue for one message.
pub const GET: Operation = Operation::new(OperationType::Receive, "get");
/// Taking deliveries from a consumer's stream.
pub const RECEIVE: Operation = Operation::new(OperationType::Receive, "receive");
/// Telling the broker that a delivery is done.
pub const ACK: Operation = Operation::new(OperationType::Settle, "ack");
/// Telling the broker that a delivery is not done.
pub const NACK: Operation = Operation::new(OperationType::Settle, "nack");
/// Telling the broker that a delivery is refused.
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
