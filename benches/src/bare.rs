//! The application without instrumentation: what is left when nothing is measured.

use std::hint::black_box;

use crate::record::Record;

/// What the client does with a message it is given.
#[inline]
pub fn send(record: &mut Record) {
    record.headers_mut().clear();
    hand_over(record);
}

/// Stands for the client's own send, which the benchmarks do not measure.
#[inline]
pub fn hand_over(record: &mut Record) {
    black_box(record);
}

/// Stands for the application's work on a message or on all of a batch.
#[inline]
pub fn work<T>(messages: &T) {
    black_box(messages);
}
