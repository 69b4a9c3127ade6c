//! Several messages at once, and the streams that they come from.

#[expect(clippy::module_inception, reason = "the type `Batch` is what the file is about")]
pub(crate) mod batch;
pub(crate) mod batches;
pub(crate) mod buffer;
pub(crate) mod incoming;
#[cfg(feature = "otel")]
pub(crate) mod share;
