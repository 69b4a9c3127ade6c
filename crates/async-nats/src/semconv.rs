//! The names of NATS's operations, and the attributes that only NATS has.
//!
//! The conventions v1.44.0 have no page on NATS: the verbs are the client's own, and the attributes
//! follow the names that were proposed for them (semantic-conventions#3680). The repository's
//! `registry/` defines them for validators, beside those of the conventions.

use otel_messaging_core::{Operation, OperationType, System};

/// The value of `messaging.system`, and the scope of all telemetry of this crate.
pub const SYSTEM: System = System::new("nats", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

/// `messaging.nats.stream`: the JetStream stream, on operations of a consumer or a stream and on
/// published messages.
pub const STREAM: &str = "messaging.nats.stream";
/// `messaging.nats.sequence`: a message's number in its stream.
pub const SEQUENCE: &str = "messaging.nats.sequence";
/// `messaging.nats.duplicate`: the stream had the published message already; only when true.
pub const DUPLICATE: &str = "messaging.nats.duplicate";
/// `messaging.nats.message.delivery_count`: how often a message was delivered; only from 2 on.
pub const DELIVERY_COUNT: &str = "messaging.nats.message.delivery_count";

/// Hands messages to the server.
pub const PUBLISH: Operation = Operation::new(OperationType::Send, "publish");
/// Publishes a message and waits for the reply.
pub const REQUEST: Operation = Operation::new(OperationType::Send, "request");
/// Takes messages from a subscription or a consumer's stream.
pub const RECEIVE: Operation = Operation::new(OperationType::Receive, "receive");
/// Takes messages that a pull consumer asked for, a number at a time.
pub const FETCH: Operation = Operation::new(OperationType::Receive, "fetch");
/// Reads a stored message from its stream.
pub const GET: Operation = Operation::new(OperationType::Receive, "get");
/// Acknowledges a message.
pub const ACK: Operation = Operation::new(OperationType::Settle, "ack");
/// Asks for a message to be delivered again.
pub const NAK: Operation = Operation::new(OperationType::Settle, "nak");
/// Asks for a message never to be delivered again.
pub const TERM: Operation = Operation::new(OperationType::Settle, "term");
