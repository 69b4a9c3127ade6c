//! JetStream.
//!
//! Mirrors `async_nats::jetstream`. Key-value and object stores are not instrumented: they belong to
//! types of the client which publish by themselves.
#![cfg_attr(
    not(feature = "jetstream"),
    doc = "",
    doc = "**Empty: enable the feature `jetstream` of this crate.** The module is there so that \
           the client's own is not mistaken for it."
)]

#[cfg(feature = "jetstream")]
mod answer;
#[cfg(feature = "jetstream")]
pub mod consumer;
#[cfg(feature = "jetstream")]
pub mod context;
#[cfg(feature = "jetstream")]
pub mod message;
#[cfg(feature = "jetstream")]
pub mod stream;

#[cfg(feature = "jetstream")]
pub use ::async_nats::jetstream::*;

#[cfg(feature = "jetstream")]
pub use self::{context::Context, message::Message};
#[cfg(feature = "jetstream")]
use crate::Client;

/// Makes a context that works as the client's instrumentation says.
#[cfg(feature = "jetstream")]
#[expect(clippy::needless_pass_by_value, reason = "the client's own signature")]
pub fn new(client: Client) -> Context {
    Context::wrap(::async_nats::jetstream::new(client.get_ref().clone()), &client)
}

/// Makes a context for a JetStream domain; see [`new`].
#[cfg(feature = "jetstream")]
#[expect(clippy::needless_pass_by_value, reason = "the client's own signature")]
pub fn with_domain<T: AsRef<str>>(client: Client, domain: T) -> Context {
    let context = ::async_nats::jetstream::with_domain(client.get_ref().clone(), domain);
    Context::wrap(context, &client)
}

/// Makes a context for another prefix of the API's subjects; see [`new`].
#[cfg(feature = "jetstream")]
#[expect(clippy::needless_pass_by_value, reason = "the client's own signature")]
pub fn with_prefix(client: Client, prefix: &str) -> Context {
    let context = ::async_nats::jetstream::with_prefix(client.get_ref().clone(), prefix);
    Context::wrap(context, &client)
}
