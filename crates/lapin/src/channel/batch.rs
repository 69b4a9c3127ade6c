//! What becomes of the messages of a batch.

use lapin::{Confirmation, Error, Result};
use otel_messaging_core::{ActiveOperation, ErrorType, FailedMessages};

use crate::failure;

/// A batch that is being published; its operation ends when this is dropped.
pub(super) struct Batch {
    operation: Option<ActiveOperation>,
    count: usize,
    /// How many the client has taken, or refused.
    pub(super) taken: usize,
    refused: u64,
    failed: FailedMessages,
}

impl Batch {
    pub(super) const fn new(operation: ActiveOperation, count: usize) -> Self {
        let failed = FailedMessages::new();
        Self { operation: Some(operation), count, taken: 0, refused: 0, failed }
    }

    pub(super) fn refused(&mut self, index: usize, error: &Error) {
        if self.taken <= index {
            self.taken = index + 1;
            self.refused += 1;
        }
        self.failed.add(index, failure::of(error).error_type().clone());
    }

    pub(super) fn answered(&mut self, index: usize, result: &Result<Confirmation>) {
        if let Some(failure) = failure::of_confirm(result) {
            self.failed.add(index, failure.error_type().clone());
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let Some(mut operation) = self.operation.take() else { return };
        for index in self.taken..self.count {
            self.failed.add(index, ErrorType::CANCELLED);
        }
        operation.withdraw(self.refused + (self.count - self.taken) as u64);
        operation.end_with(&self.failed);
    }
}
