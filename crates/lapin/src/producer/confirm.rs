//! The broker's answer to a publish.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use lapin::{Confirmation, Result};
use otel_messaging_core::{ActiveOperation, client::wrapper};

use crate::error_type;

/// Instrumented [`lapin::PublisherConfirm`], which ends the send span with the broker's answer: an
/// ack, a nack, a message that came back because no queue takes it, an error of the channel.
///
/// Cancel safety: dropped before the answer, the span ends as handed over, without a status. The
/// client's confirm is dropped too, so that `wait_for_confirms` collects it.
#[must_use = "a message may come back: look at the confirmation, or wait for all"]
pub struct PublisherConfirm {
    bare: lapin::PublisherConfirm,
    /// Runs until the broker answers; `None` if the channel has no confirms.
    operation: Option<ActiveOperation>,
}

wrapper!(PublisherConfirm: lapin::PublisherConfirm);

impl PublisherConfirm {
    pub(crate) const fn new(
        bare: lapin::PublisherConfirm,
        operation: Option<ActiveOperation>,
    ) -> Self {
        Self { bare, operation }
    }
}

impl Future for PublisherConfirm {
    type Output = Result<Confirmation>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.bare).poll(context));
        if let Some(operation) = self.operation.take() {
            match error_type::of_confirm(&result) {
                Some(failure) => operation.fail(failure),
                None => operation.end(),
            }
        }
        Poll::Ready(result)
    }
}
