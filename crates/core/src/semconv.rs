//! The names of the OpenTelemetry messaging conventions that every system shares.
//!
//! They are written here rather than taken from `opentelemetry-semantic-conventions`, so that an
//! experimental feature of that crate never reaches a user's build; a test compares the two.
//! Names that only one system uses are in the `semconv` module of its client crate.

/// The release of the conventions that this crate implements.
pub const VERSION: &str = "1.44.0";
/// The schema URL of every instrumentation scope.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// `error.type`: the class of the error, on failed operations only.
pub const ERROR_TYPE: &str = "error.type";
/// `exception.message`, on the event of a message that failed within a batch.
pub const EXCEPTION_MESSAGE: &str = "exception.message";
/// `exception.type`, on the event of a message that failed within a batch.
pub const EXCEPTION_TYPE: &str = "exception.type";
/// `messaging.batch.message_count`: on batch operations only.
pub const BATCH_MESSAGE_COUNT: &str = "messaging.batch.message_count";
/// `messaging.client.id`.
pub const CLIENT_ID: &str = "messaging.client.id";
/// `messaging.consumer.group.name`.
pub const CONSUMER_GROUP_NAME: &str = "messaging.consumer.group.name";
/// `messaging.destination.anonymous`: only when true.
pub const DESTINATION_ANONYMOUS: &str = "messaging.destination.anonymous";
/// `messaging.destination.name`.
pub const DESTINATION_NAME: &str = "messaging.destination.name";
/// `messaging.destination.partition.id`: a string.
pub const DESTINATION_PARTITION_ID: &str = "messaging.destination.partition.id";
/// `messaging.destination.template`.
pub const DESTINATION_TEMPLATE: &str = "messaging.destination.template";
/// `messaging.destination.temporary`: only when true.
pub const DESTINATION_TEMPORARY: &str = "messaging.destination.temporary";
/// `messaging.message.body.size`, in bytes; opt-in.
pub const MESSAGE_BODY_SIZE: &str = "messaging.message.body.size";
/// `messaging.message.conversation_id`.
pub const MESSAGE_CONVERSATION_ID: &str = "messaging.message.conversation_id";
/// `messaging.message.envelope.size`, in bytes; opt-in.
pub const MESSAGE_ENVELOPE_SIZE: &str = "messaging.message.envelope.size";
/// `messaging.message.id`.
pub const MESSAGE_ID: &str = "messaging.message.id";
/// `messaging.operation.name`: the system's own verb.
pub const OPERATION_NAME: &str = "messaging.operation.name";
/// `messaging.operation.type`: one of the conventions' five.
pub const OPERATION_TYPE: &str = "messaging.operation.type";
/// `messaging.system`.
pub const SYSTEM: &str = "messaging.system";
/// `server.address`.
pub const SERVER_ADDRESS: &str = "server.address";
/// `server.port`.
pub const SERVER_PORT: &str = "server.port";

/// What a captured header's attribute starts with; the header's name follows in lower case.
///
/// The conventions have no such attribute yet (semantic-conventions#1227); this is the form other
/// languages' instrumentations use.
pub const HEADER_PREFIX: &str = "messaging.header.";
/// `messaging.creation_context.trace_id`: 32 hexadecimal digits; opt-in. Not of the conventions.
pub const CREATION_CONTEXT_TRACE_ID: &str = "messaging.creation_context.trace_id";
/// `messaging.creation_context.span_id`: 16 hexadecimal digits; opt-in. Not of the conventions.
pub const CREATION_CONTEXT_SPAN_ID: &str = "messaging.creation_context.span_id";

/// Histogram, in seconds: how long an operation of a client took.
pub const CLIENT_OPERATION_DURATION: &str = "messaging.client.operation.duration";
/// Counter: messages that a producer attempted to send.
pub const CLIENT_SENT_MESSAGES: &str = "messaging.client.sent.messages";
/// Counter: messages delivered to the application.
pub const CLIENT_CONSUMED_MESSAGES: &str = "messaging.client.consumed.messages";
/// Histogram, in seconds: how long processing took.
pub const PROCESS_DURATION: &str = "messaging.process.duration";

/// The bucket boundaries that the conventions advise for both histograms, in seconds.
pub const DURATION_BOUNDARIES: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

#[cfg(test)]
mod tests {
    use opentelemetry_semantic_conventions::{attribute as official, metric};

    use super::*;

    #[test]
    fn keys_are_those_of_the_official_crate() {
        for (ours, theirs) in [
            (ERROR_TYPE, official::ERROR_TYPE),
            (EXCEPTION_MESSAGE, official::EXCEPTION_MESSAGE),
            (EXCEPTION_TYPE, official::EXCEPTION_TYPE),
            (BATCH_MESSAGE_COUNT, official::MESSAGING_BATCH_MESSAGE_COUNT),
            (CLIENT_ID, official::MESSAGING_CLIENT_ID),
            (CONSUMER_GROUP_NAME, official::MESSAGING_CONSUMER_GROUP_NAME),
            (DESTINATION_ANONYMOUS, official::MESSAGING_DESTINATION_ANONYMOUS),
            (DESTINATION_NAME, official::MESSAGING_DESTINATION_NAME),
            (DESTINATION_PARTITION_ID, official::MESSAGING_DESTINATION_PARTITION_ID),
            (DESTINATION_TEMPLATE, official::MESSAGING_DESTINATION_TEMPLATE),
            (DESTINATION_TEMPORARY, official::MESSAGING_DESTINATION_TEMPORARY),
            (MESSAGE_BODY_SIZE, official::MESSAGING_MESSAGE_BODY_SIZE),
            (MESSAGE_CONVERSATION_ID, official::MESSAGING_MESSAGE_CONVERSATION_ID),
            (MESSAGE_ENVELOPE_SIZE, official::MESSAGING_MESSAGE_ENVELOPE_SIZE),
            (MESSAGE_ID, official::MESSAGING_MESSAGE_ID),
            (OPERATION_NAME, official::MESSAGING_OPERATION_NAME),
            (OPERATION_TYPE, official::MESSAGING_OPERATION_TYPE),
            (SYSTEM, official::MESSAGING_SYSTEM),
            (SERVER_ADDRESS, official::SERVER_ADDRESS),
            (SERVER_PORT, official::SERVER_PORT),
            (CLIENT_OPERATION_DURATION, metric::MESSAGING_CLIENT_OPERATION_DURATION),
            (CLIENT_SENT_MESSAGES, metric::MESSAGING_CLIENT_SENT_MESSAGES),
            (CLIENT_CONSUMED_MESSAGES, metric::MESSAGING_CLIENT_CONSUMED_MESSAGES),
            (PROCESS_DURATION, metric::MESSAGING_PROCESS_DURATION),
        ] {
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn schema_url_names_the_pinned_version() {
        assert_eq!(SCHEMA_URL.rsplit('/').next(), Some(VERSION));
    }
}
