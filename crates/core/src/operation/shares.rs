//! The operations of the messages of a batch that is sent.

use std::sync::Arc;

use crate::{
    ActiveOperation,
    batch::share::{Share, SharedOperation},
    span::end::OperationState,
};

/// Iterates over the operations of the messages of a batch that is sent, in order. Made by
/// [`Instrumenter::send_batch`](crate::Instrumenter::send_batch).
///
/// A message whose operation is never taken from it is recorded as `cancelled`.
#[derive(Debug)]
#[must_use = "messages are recorded as cancelled when this is dropped"]
pub struct Shares {
    /// `None` if the batch has no telemetry.
    batch: Option<Arc<SharedOperation>>,
    next: usize,
    count: usize,
}

impl Shares {
    /// Splits `operation` into one share for each of `count` messages.
    pub(crate) fn new(operation: Option<OperationState<'static>>, count: usize) -> Self {
        let batch = operation.map(|operation| Arc::new(SharedOperation::new(operation)));
        Self { batch, next: 0, count }
    }
}

impl Iterator for Shares {
    type Item = ActiveOperation;

    fn next(&mut self) -> Option<ActiveOperation> {
        let index = self.next;
        if index == self.count {
            return None;
        }
        self.next += 1;
        Some(match &self.batch {
            Some(batch) => ActiveOperation::share(Share::new(batch, index)),
            None => ActiveOperation::none(),
        })
    }
}

impl Drop for Shares {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
