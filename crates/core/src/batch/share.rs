//! A batch that is sent as one operation for each message, each a share of the batch's.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    ActiveOperation, ErrorType, FailedMessages, Failure, Outcome, span::end::OperationState,
};

/// Iterates over the operations of the messages of a batch that is sent, in order. Made by
/// [`Instrumenter::send_batch`](crate::Instrumenter::send_batch).
///
/// A message whose operation is never taken from it is told as `cancelled`.
#[derive(Debug)]
#[must_use = "messages are told as cancelled when this is dropped"]
pub struct Shares {
    /// `None` if the batch has no telemetry.
    batch: Option<Arc<SharedOperation>>,
    next: usize,
    count: usize,
}

impl Shares {
    /// Splits `operation` into one share for each of `count` messages.
    pub(crate) fn new(operation: Option<OperationState>, count: usize) -> Self {
        let share = |operation| {
            let results = Mutex::new(Results::default());
            Arc::new(SharedOperation { operation: Some(operation), results })
        };
        Self { batch: operation.map(share), next: 0, count }
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
            Some(batch) => ActiveOperation::share(Share {
                index,
                handed_over: false,
                has_ended: false,
                batch: Arc::clone(batch),
            }),
            None => ActiveOperation::none(),
        })
    }
}

impl Drop for Shares {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

/// The share that one message has in the send operation of its batch. The operation ends when the
/// last share ends.
#[derive(Debug)]
pub(crate) struct Share {
    index: usize,
    handed_over: bool,
    has_ended: bool,
    batch: Arc<SharedOperation>,
}

impl Share {
    pub(crate) const fn handed_over(&mut self) {
        self.handed_over = true;
    }

    pub(crate) fn end(&mut self, failure: Option<Failure>) {
        self.has_ended = true;
        if let Some(failure) = failure {
            self.fail(failure.error_type);
        }
    }

    /// Ends a share that was dropped: the message was handed over, or never sent.
    pub(crate) fn end_dropped(&self) {
        if !self.has_ended && !self.handed_over {
            self.fail(ErrorType::CANCELLED);
        }
    }

    fn fail(&self, error: ErrorType) {
        let mut results = self.batch.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.failed.add(self.index, error);
        results.refused += u64::from(!self.handed_over);
    }
}

/// The operation of a batch, and which of its messages failed so far.
#[derive(Debug)]
struct SharedOperation {
    operation: Option<OperationState>,
    results: Mutex<Results>,
}

#[derive(Debug, Default)]
struct Results {
    failed: FailedMessages,
    /// How many of these the client never took.
    refused: u64,
}

impl Drop for SharedOperation {
    fn drop(&mut self) {
        let results = self.results.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut operation) = self.operation.take() {
            operation.withdraw(results.refused);
            operation.handed_over();
            operation.end(results.failed.failure());
        }
    }
}
