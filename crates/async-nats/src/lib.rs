//! OpenTelemetry instrumentation for async-nats.

mod batches;
pub mod client;
mod facts;
mod failure;
mod headers;
mod incoming;
#[cfg(feature = "jetstream")]
pub mod jetstream;
pub mod message;
mod outgoing;
pub mod semconv;
mod sending;
#[cfg(feature = "service")]
pub mod service;
mod subscriber;

/// The client itself, without instrumentation: for the few places that need its own types.
pub use ::async_nats as bare;
pub use ::async_nats::*;
/// What is recorded and what handlers mean: the core of the instrumentation.
pub use otel_messaging_core as otel;

pub use crate::{
    batches::Batches, client::Client, incoming::Incoming, message::Message, subscriber::Subscriber,
};

/// Connects with the default options and the default instrumentation, as
/// [`async_nats::connect`](::async_nats::connect) does.
///
/// # Errors
/// Those of the client.
pub async fn connect<A: ToServerAddrs>(addrs: A) -> Result<Client, ConnectError> {
    connect_with_options(addrs, ConnectOptions::default()).await
}

/// [`connect`] with options. [`Client::connect`] takes an instrumentation too.
///
/// # Errors
/// Those of the client.
pub async fn connect_with_options<A: ToServerAddrs>(
    addrs: A,
    options: ConnectOptions,
) -> Result<Client, ConnectError> {
    Client::connect(addrs, options, &otel::Instrumentation::default()).await
}
