//! The share that one message has in the send operation of its batch.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{ErrorType, FailedMessages, Failure, Outcome, span::end::OperationState};

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
    pub(crate) fn new(batch: &Arc<SharedOperation>, index: usize) -> Self {
        Self { index, handed_over: false, has_ended: false, batch: Arc::clone(batch) }
    }

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
pub(crate) struct SharedOperation {
    operation: Option<OperationState<'static>>,
    results: Mutex<Results>,
}

impl SharedOperation {
    pub(crate) fn new(operation: OperationState<'static>) -> Self {
        Self { operation: Some(operation), results: Mutex::default() }
    }
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
