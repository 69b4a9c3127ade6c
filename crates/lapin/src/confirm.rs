//! The future of a publisher confirm.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lapin::{Confirmation, Result};
use otel_messaging_core::ActiveOperation;

use crate::failure;

/// [`lapin::PublisherConfirm`], which ends the send span with the broker's answer (rule R10): an
/// ack, a nack, a message that came back because nothing takes it, an error of the channel.
///
/// Cancel safety: dropped before the answer, it ends the span as handed over, without a status. It
/// is then dropped for the client too, so that `wait_for_confirms` collects what it would.
#[must_use = "a message may come back: look at the confirmation, or wait for all"]
pub struct PublisherConfirm {
    bare: lapin::PublisherConfirm,
    /// While the broker's answer is awaited; the drop of it ends the span.
    operation: Option<ActiveOperation>,
}

impl PublisherConfirm {
    pub(crate) const fn new(
        confirm: lapin::PublisherConfirm,
        operation: Option<ActiveOperation>,
    ) -> Self {
        Self { bare: confirm, operation }
    }

    /// The client's own confirm. The span ends as handed over.
    pub fn into_inner(self) -> lapin::PublisherConfirm {
        self.bare
    }
}

impl Future for PublisherConfirm {
    type Output = Result<Confirmation>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.bare).poll(context));
        if let Some(operation) = self.operation.take() {
            match failure::of_confirm(&result) {
                Some(failure) => operation.fail(failure),
                None => operation.end(),
            }
        }
        Poll::Ready(result)
    }
}

impl fmt::Debug for PublisherConfirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bare.fmt(f)
    }
}
