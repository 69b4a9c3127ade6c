//! A batch on its way into the client.

use ::async_nats::message::OutboundMessage;
use otel_messaging_core::{ActiveOperation, ErrorType, FailedMessages, Failure};

#[cfg(feature = "jetstream")]
use crate::failure::Classify;
use crate::{facts::Connection, semconv};

/// The operation of a batch, and what became of its messages so far. Dropped before its end, those
/// that the client never took were cancelled.
pub(crate) struct Sending {
    operation: Option<ActiveOperation>,
    /// What the client took or refused.
    seen: usize,
    messages: usize,
    refused: u64,
    failed: FailedMessages,
}

impl Sending {
    pub(crate) fn start(connection: &Connection, messages: &mut [OutboundMessage]) -> Self {
        Self {
            operation: Some(connection.send_batch(semconv::PUBLISH, messages)),
            seen: 0,
            messages: messages.len(),
            refused: 0,
            failed: FailedMessages::new(),
        }
    }

    /// The client took the next message.
    pub(crate) const fn taken(&mut self) {
        self.seen += 1;
    }

    /// The client refused the next message.
    pub(crate) fn refused(&mut self, failure: &Failure) {
        self.failed.add(self.seen, failure.error_type().clone());
        self.refused += 1;
        self.seen += 1;
    }

    /// The server answered to the message at `index`, or did not.
    #[cfg(feature = "jetstream")]
    pub(crate) fn answered<T, E: Classify>(
        &mut self,
        index: usize,
        result: Result<T, E>,
    ) -> Result<T, E> {
        result.inspect_err(|error| self.failed.add(index, error.failure().error_type().clone()))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let Some(mut operation) = self.operation.take() else { return };
        for index in self.seen..self.messages {
            self.failed.add(index, ErrorType::CANCELLED);
            self.refused += 1;
        }
        operation.withdraw(self.refused);
        operation.end_with(&self.failed);
    }
}
