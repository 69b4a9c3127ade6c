//! What the hooks of an application see of a message.

use std::fmt;

use crate::{Destination, Operation, client::Message};

/// Shows a hook what an operation is about: the operation, the destination, and the message's
/// headers, key and sizes.
///
/// ```
/// use otel_messaging_core::{Instrumentation, MessageView};
///
/// let is_heartbeat = |message: &MessageView<'_>| message.header("type") == Some(b"heartbeat");
/// let instrumentation =
///     Instrumentation::builder().with_filter(move |message| !is_heartbeat(message)).build();
/// ```
///
/// | operation on | [`count`](Self::count) | destination | headers, key, sizes |
/// |---|---|---|---|
/// | one message | 1 | the message's | the message's |
/// | a batch: its send, receive and process span | of its messages | the one that all messages have, with the partition if that is the same too; else their common template; else none | none |
/// | no message at hand: a failed receive, a settlement by tag or offset | 0 | if it is known | none |
///
/// A message that is about to be sent is seen as the application made it, before its context is
/// written. A hook must be quick, as it runs for every operation. Its panic is caught and logged
/// once.
#[derive(Clone, Copy)]
pub struct MessageView<'a> {
    operation: Operation,
    destination: Option<Destination<'a>>,
    message: Option<&'a dyn Message>,
    count: usize,
}

#[cfg(feature = "otel")]
impl<'a> MessageView<'a> {
    /// Shows one message.
    pub(crate) fn of(operation: Operation, message: &'a dyn Message) -> Self {
        let destination = Some(message.destination());
        Self { operation, destination, message: Some(message), count: 1 }
    }

    /// Shows what is known of several messages, or of none.
    pub(crate) const fn of_several(
        operation: Operation,
        destination: Option<Destination<'a>>,
        count: usize,
    ) -> Self {
        Self { operation, destination, message: None, count }
    }
}

impl<'a> MessageView<'a> {
    /// Returns the operation that is about to start.
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// Returns where the message came from or goes to.
    pub const fn destination(&self) -> Option<&Destination<'a>> {
        self.destination.as_ref()
    }

    /// Returns how many messages the operation is about: 1 for a message alone, also where it is
    /// a member of a batch that is sent; 0 where no message is at hand.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Returns the last value of the header called `name`, which is compared as the client does.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.message?.header(name)
    }

    /// Returns the message's key. Of the clients, only Kafka's messages have keys.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.message?.key()
    }

    /// Returns the size of the body, in bytes.
    pub fn body_size(&self) -> Option<usize> {
        self.message?.body_size()
    }

    /// Returns the size of the body and the metadata, in bytes, where the client knows it.
    pub fn envelope_size(&self) -> Option<usize> {
        self.message?.envelope_size()
    }
}

impl fmt::Debug for MessageView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageView")
            .field("operation", &self.operation)
            .field("destination", &self.destination)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
