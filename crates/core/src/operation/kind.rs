//! What is done with messages: the conventions' type and the system's own verb.

/// Lists the conventions' five types of operation, the values of `messaging.operation.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationType {
    /// Gives one message its own creation context, to be sent later or in a batch.
    Create,
    /// Hands messages to the broker.
    Send,
    /// Hands messages that the application asked for to the application.
    Receive,
    /// Works on messages in the application.
    Process,
    /// Acknowledges, rejects or commits messages.
    Settle,
}

impl OperationType {
    /// Returns the value of `messaging.operation.type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Process => "process",
            Self::Settle => "settle",
        }
    }
}

/// Names an operation: a type of the conventions and the system's verb for it.
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
    /// Creates a message of a batch.
    pub const CREATE: Self = Self::new(OperationType::Create, "create");
    /// Processes messages.
    pub const PROCESS: Self = Self::new(OperationType::Process, "process");

    /// Receives messages, before the system's verb for it is known.
    #[cfg(feature = "otel")]
    pub(crate) const RECEIVE: Self = Self::new(OperationType::Receive, "receive");

    /// Makes the operation of this type that the system calls `name`.
    pub const fn new(kind: OperationType, name: &'static str) -> Self {
        Self { kind, name }
    }

    /// Returns the conventions' type.
    pub const fn operation_type(self) -> OperationType {
        self.kind
    }

    /// Returns the system's verb, the value of `messaging.operation.name`.
    pub const fn name(self) -> &'static str {
        self.name
    }
}
