//! Messages, and what is known of them.

pub(crate) mod address;
#[cfg(feature = "otel")]
pub(crate) mod creation_context;
pub(crate) mod destination;
pub(crate) mod error_type;
#[expect(clippy::module_inception, reason = "the trait `Message` is what the file is about")]
pub(crate) mod message;
#[cfg(feature = "otel")]
pub(crate) mod message_context;
pub(crate) mod message_view;
pub(crate) mod outcome;
#[cfg(feature = "otel")]
pub(crate) mod progress;
pub(crate) mod received;
pub(crate) mod stored;
pub(crate) mod system;
