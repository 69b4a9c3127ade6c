//! Services: requests that are processed and answered.
//!
//! Mirrors [`async_nats::service`](::async_nats::service). Services, groups and builders are the
//! client's own; an endpoint that they make is wrapped:
//!
//! ```no_run
//! use futures::StreamExt;
//! use otel_messaging_async_nats::{self as async_nats, service::{Endpoint, ServiceExt}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), async_nats::Error> {
//! let client = async_nats::connect("localhost").await?;
//! let service = client.service_builder().start("shop", "1.0.0").await?; // as before
//! let mut prices = Endpoint::new(service.endpoint("prices").await?, &client); // wrapped
//! while let Some(request) = prices.next().await {
//!     request.process(request.respond(Ok("7".into()))).await?; // answered in the process span
//! }
//! # Ok(())
//! # }
//! ```

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

pub use ::async_nats::service::*;
use ::async_nats::{
    HeaderMap, PublishError, Subject,
    service::{self as bare, endpoint::Endpoint as BareEndpoint},
};
use bytes::Bytes;
use futures_core::Stream;
use otel_messaging_core::{Operation, Received, process_methods};

use crate::{
    Client, failure,
    incoming::{Incoming, Source},
    message::{Delivered, Readable, received},
    outgoing::outbound,
    semconv,
};

/// [`async_nats::service::endpoint::Endpoint`](BareEndpoint), instrumented: a stream of requests,
/// each with its receive span.
#[derive(Debug)]
pub struct Endpoint(Incoming<BareEndpoint>);

impl Endpoint {
    /// Wraps an endpoint that works as the instrumentation of `client` says.
    pub fn new(endpoint: BareEndpoint, client: &Client) -> Self {
        Self(Incoming::new(endpoint, Arc::clone(client.connection()), None))
    }

    /// Stops taking requests.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn stop(&mut self) -> Result<(), io::Error> {
        self.0.get_mut().stop().await
    }

    /// The client's own endpoint. What is received through it is not instrumented.
    pub fn into_inner(self) -> BareEndpoint {
        self.0.into_inner()
    }
}

impl Stream for Endpoint {
    type Item = Request;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Request>> {
        Pin::new(&mut self.0).poll_next(context).map(|item| item.map(|Ok(request)| request))
    }
}

impl Source for BareEndpoint {
    type Bare = bare::Request;
    type Message = Request;
    type Error = Infallible;
    const OPERATION: Operation = semconv::RECEIVE;

    fn unpack(item: bare::Request) -> Result<bare::Request, Infallible> {
        Ok(item)
    }
}

/// [`async_nats::service::Request`](bare::Request) with its creation context.
///
/// It dereferences to the client's own.
#[derive(Debug)]
pub struct Request(Received<Delivered<bare::Request>>);

impl Request {
    process_methods!();

    /// Answers the request. The answer is a message that is published: it has its send span.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn respond(&self, response: Result<Bytes, error::Error>) -> Result<(), PublishError> {
        self.respond_with_headers(response, HeaderMap::new()).await
    }

    /// [`respond`](Self::respond) with headers.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn respond_with_headers(
        &self,
        response: Result<Bytes, error::Error>,
        headers: HeaderMap,
    ) -> Result<(), PublishError> {
        let Delivered { message: request, connection, .. } = self.0.get_ref();
        let Some(reply) = request.message.reply.clone() else {
            return request.respond_with_headers(response, headers).await;
        };
        let payload = response.as_ref().cloned().unwrap_or_default();
        let mut message = outbound(reply, Some(headers), payload);
        let operation = connection.send(semconv::PUBLISH, &mut message, None);
        let headers = message.headers.unwrap_or_default();
        let result = request.respond_with_headers(response, headers).await;
        failure::end_refused(operation, &result);
        result
    }
}

received!(Request, bare::Request);

impl Readable for bare::Request {
    fn subject(&self) -> &Subject {
        &self.message.subject
    }

    fn headers(&self) -> Option<&HeaderMap> {
        self.message.headers.as_ref()
    }

    fn payload(&self) -> &Bytes {
        &self.message.payload
    }
}
