//! What waits for a delivery report: one operation, or a share in one (rules R7 and R10).

use std::sync::{Arc, Mutex, PoisonError};

use otel_messaging_core::{ActiveOperation, ErrorType, FailedMessages};
use rdkafka::error::KafkaError;

use crate::{failure, semconv};

/// The send operation that a record's delivery report ends. Dropped without a report, it ends as
/// cancelled.
#[derive(Debug)]
pub(crate) enum Pending {
    One(ActiveOperation),
    Member(Member),
}

impl Pending {
    /// The cluster has the record.
    pub(crate) fn delivered(self, partition: i32, offset: i64) {
        match self {
            Self::One(mut operation) => {
                if let Ok(partition) = u32::try_from(partition) {
                    operation.set_partition(partition);
                }
                if operation.is_recording() && offset >= 0 {
                    let offset = opentelemetry::KeyValue::new(semconv::OFFSET, offset);
                    operation.set_attribute(offset);
                }
                operation.end();
            }
            Self::Member(mut member) => member.error = None,
        }
    }

    /// The cluster has not got the record, as far as is known.
    pub(crate) fn failed(self, error: &KafkaError) {
        match self {
            Self::One(operation) => operation.fail(failure::of(error)),
            Self::Member(mut member) => {
                member.refused = false;
                member.error = Some(failure::error_type(error));
            }
        }
    }

    /// The client did not take the record.
    pub(crate) fn rejected(self, error: &KafkaError) {
        match self {
            Self::One(operation) => operation.reject(failure::of(error)),
            Self::Member(mut member) => member.error = Some(failure::error_type(error)),
        }
    }
}

/// One record of a batch; the batch's operation ends with the report of its last.
#[derive(Debug)]
pub(crate) struct Member {
    index: usize,
    /// What to say of the record when this is dropped: at first, that it was never sent.
    error: Option<ErrorType>,
    /// Whether the client never took it.
    refused: bool,
    batch: Arc<BatchReport>,
}

impl Member {
    /// One for each of `count` records, which share `operation`.
    ///
    /// All are there at once, so that those of records which are never sent tell so.
    pub(crate) fn all(operation: ActiveOperation, count: usize) -> Vec<Self> {
        let state = BatchState { operation: Some(operation), ..BatchState::default() };
        let batch = Arc::new(BatchReport(Mutex::new(state)));
        let member = |index| Self {
            index,
            error: Some(ErrorType::CANCELLED),
            refused: true,
            batch: Arc::clone(&batch),
        };
        (0..count).map(member).collect()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(error) = self.error.take() {
            let mut state = self.batch.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.failed.add(self.index, error);
            state.refused += u64::from(self.refused);
        }
    }
}

#[derive(Debug)]
struct BatchReport(Mutex<BatchState>);

/// The operation of a batch, and which of its records failed.
#[derive(Debug, Default)]
struct BatchState {
    operation: Option<ActiveOperation>,
    failed: FailedMessages,
    refused: u64,
}

impl Drop for BatchReport {
    fn drop(&mut self) {
        let state = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut operation) = state.operation.take() {
            operation.withdraw(state.refused);
            operation.end_with(&state.failed);
        }
    }
}
