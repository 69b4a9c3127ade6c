//! The application without instrumentation, as the baseline of all benchmarks.

use std::hint::black_box;

use crate::record::Record;

/// Sends a message without instrumentation.
#[inline]
pub fn send(record: &mut Record) {
    record.headers_mut().clear();
    hand_over(record);
}

/// Takes the place of the client's own send, which the benchmarks do not measure.
#[inline]
pub fn hand_over(record: &mut Record) {
    black_box(record);
}

/// Takes the place of the application's work on a message or a batch.
#[inline]
pub fn work<T>(messages: &T) {
    black_box(messages);
}
