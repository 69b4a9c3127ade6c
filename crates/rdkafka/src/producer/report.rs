//! The delivery report of a record.

use std::panic::{AssertUnwindSafe, catch_unwind};

use otel_messaging_core::ActiveOperation;
use rdkafka::error::KafkaError;

use crate::{error_type::Failed, semconv};

/// Ends the operation of a record as its report says: with the partition and the offset, or with
/// the error.
///
/// It runs in the thread that polls the producer, and a panic there would end all deliveries of the
/// producer. So this always returns.
pub(super) fn end(mut operation: ActiveOperation, report: Result<(i32, i64), &KafkaError>) {
    // The client has taken the record: it counts as sent, whatever follows.
    operation.handed_over();
    let end = || match report {
        Ok((partition, offset)) => {
            if let Ok(partition) = u32::try_from(partition) {
                operation.set_partition(partition);
            }
            // Without acknowledgements the client does not learn the offset.
            if offset >= 0 {
                operation.set_attribute(semconv::OFFSET, offset);
            }
            operation.end();
        }
        Err(error) => operation.end_with(&Failed(error)),
    };
    // The core guards the application's telemetry code already, and reports its panics.
    let _ = catch_unwind(AssertUnwindSafe(end));
}
