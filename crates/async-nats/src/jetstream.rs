//! JetStream.
//!
//! Mirrors [`async_nats::jetstream`]. Traffic of key-value and object
//! stores is not instrumented: it belongs to types of the client's which publish by themselves.

mod answer;
pub mod consumer;
pub mod context;
pub mod message;
pub mod stream;

pub use ::async_nats::jetstream::*;

pub use self::{context::Context, message::Message};
use crate::Client;

/// A context that works as the client's instrumentation says.
#[expect(clippy::needless_pass_by_value, reason = "the client's own signature")]
pub fn new(client: Client) -> Context {
    Context::new(::async_nats::jetstream::new(client.get_ref().clone()), &client)
}

/// [`new`] for a JetStream domain.
#[expect(clippy::needless_pass_by_value, reason = "the client's own signature")]
pub fn with_domain<T: AsRef<str>>(client: Client, domain: T) -> Context {
    let context = ::async_nats::jetstream::with_domain(client.get_ref().clone(), domain);
    Context::new(context, &client)
}

/// [`new`] for another prefix of the API's subjects.
#[expect(clippy::needless_pass_by_value, reason = "the client's own signature")]
pub fn with_prefix(client: Client, prefix: &str) -> Context {
    let context = ::async_nats::jetstream::with_prefix(client.get_ref().clone(), prefix);
    Context::new(context, &client)
}
