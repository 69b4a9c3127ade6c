//! Endpoints of services: streams of requests.
//!
//! Mirrors [`async_nats::service::endpoint`].

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use ::async_nats::service::endpoint as bare;
pub use ::async_nats::service::endpoint::*;
use futures_core::Stream;

use super::Request;
use crate::{
    Client,
    consumer::{Incoming, into_message, map_message, source},
    semconv,
    server::Receiving,
};

/// [`async_nats::service::endpoint::Endpoint`](bare::Endpoint), instrumented: a stream of requests,
/// each with its receive span.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Endpoint(Incoming<bare::Endpoint>);

impl Endpoint {
    /// Wraps an endpoint, which then works as the instrumentation of `client` says.
    pub fn wrap(endpoint: bare::Endpoint, client: &Client) -> Self {
        Self(Incoming::new(endpoint, client.connection().clone()))
    }

    /// Stops taking requests.
    ///
    /// Cancel safety: dropped before the end, the endpoint may go on.
    ///
    /// # Errors
    /// Returns the client's error unchanged.
    pub async fn stop(&mut self) -> Result<(), io::Error> {
        self.0.get_mut().stop().await
    }

    /// Returns the client's own endpoint. What is received through it is not instrumented.
    pub fn into_inner(self) -> bare::Endpoint {
        self.0.into_inner()
    }
}

impl Stream for Endpoint {
    type Item = Request;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Request>> {
        into_message(Pin::new(&mut self.0).poll_next(context))
    }
}

source! {
    bare::Endpoint => Request, Infallible, semconv::RECEIVE;
    |receiving: &Receiving, polled| map_message(polled, |request| {
        Request::new(receiving.extract(request), &receiving.connection)
    })
}
