//! What is done with messages: the conventions' type and the system's own verb.

use opentelemetry::trace::SpanKind;

/// The conventions' five types of operation, the values of `messaging.operation.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationType {
    /// One message is given its own creation context, to be sent later or in a batch.
    Create,
    /// Messages are handed to the broker.
    Send,
    /// The application asked for messages and got them.
    Receive,
    /// The application works on messages.
    Process,
    /// Messages are acknowledged, rejected or committed.
    Settle,
}

impl OperationType {
    /// The value of `messaging.operation.type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Process => "process",
            Self::Settle => "settle",
        }
    }

    /// The kind of a span of this type, which for a send depends on whether the span's own
    /// context is what the messages carry (conventions, "Span kind").
    pub(crate) const fn span_kind(self, is_creation_context: bool) -> SpanKind {
        match self {
            Self::Create => SpanKind::Producer,
            Self::Send if is_creation_context => SpanKind::Producer,
            Self::Send | Self::Receive | Self::Settle => SpanKind::Client,
            Self::Process => SpanKind::Consumer,
        }
    }
}

/// An operation: a type of the conventions and the system's verb for it.
///
/// ```
/// use otel_messaging_core::{Operation, OperationType};
///
/// const POLL: Operation = Operation::new(OperationType::Receive, "poll");
/// assert_eq!(POLL.name(), "poll");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    kind: OperationType,
    name: &'static str,
}

impl Operation {
    /// Creating a message of a batch.
    pub const CREATE: Self = Self::new(OperationType::Create, "create");
    /// Working on messages.
    pub const PROCESS: Self = Self::new(OperationType::Process, "process");

    /// The operation of this type that the system calls `name`.
    pub const fn new(kind: OperationType, name: &'static str) -> Self {
        Self { kind, name }
    }

    /// The conventions' type.
    pub const fn operation_type(self) -> OperationType {
        self.kind
    }

    /// The system's verb, the value of `messaging.operation.name`.
    pub const fn name(self) -> &'static str {
        self.name
    }
}
