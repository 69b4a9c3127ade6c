//! Requests of services, and their answers.

use std::{mem, ops::Deref};

use ::async_nats::{
    HeaderMap, PublishError, Subject,
    service::{self as bare, error},
};
use bytes::Bytes;
use otel_messaging_core::{
    AsReceived, Received,
    client::{Call, process_methods},
};

use crate::{
    Client,
    delivered::{Delivered, Readable},
    outgoing::{end_taken, outbound},
    semconv,
    server::Connection,
};

/// [`async_nats::service::Request`](bare::Request) with its creation context.
///
/// It dereferences to the client's own.
#[derive(Debug)]
pub struct Request {
    received: Received<Delivered<bare::Request>>,
    connection: Connection,
}

impl Request {
    process_methods!();

    /// Reads the creation context of a request that the client received otherwise, as the
    /// instrumentation of `client` says. It has no receive span, and is counted as consumed when it
    /// is processed.
    pub fn wrap(request: bare::Request, client: &Client) -> Self {
        let connection = client.connection();
        Self::new(connection.extract(request), connection)
    }

    pub(super) fn new(
        received: Received<Delivered<bare::Request>>,
        connection: &Connection,
    ) -> Self {
        Self { received, connection: connection.clone() }
    }

    /// Answers the request. The answer is a message that is published: it has its send span.
    ///
    /// Cancel safety: dropped before the client took the answer, it is not sent, and the span ends
    /// as `cancelled`.
    ///
    /// # Errors
    /// Returns the client's error unchanged; the answer does not count as sent.
    pub fn respond(
        &self,
        response: Result<Bytes, error::Error>,
    ) -> impl Future<Output = Result<(), PublishError>> {
        self.respond_with_headers(response, HeaderMap::new())
    }

    /// Answers the request with headers.
    ///
    /// Errors and cancel safety: as [`respond`](Self::respond).
    pub fn respond_with_headers(
        &self,
        response: Result<Bytes, error::Error>,
        mut headers: HeaderMap,
    ) -> impl Future<Output = Result<(), PublishError>> {
        let request = self.get_ref();
        Call::new(move || {
            let operation = request.message.reply.clone().map(|reply| {
                let payload = response.as_ref().cloned().unwrap_or_default();
                let mut message = outbound(reply, Some(mem::take(&mut headers)), payload);
                let operation = self.connection.send(semconv::PUBLISH, &mut message, None);
                headers = message.headers.unwrap_or_default();
                operation
            });
            let respond = request.respond_with_headers(response, headers);
            (respond, move |result| match operation {
                Some(operation) => end_taken(operation, result),
                None => result,
            })
        })
    }

    /// Returns the client's own. What is answered through it is not instrumented.
    pub const fn get_ref(&self) -> &bare::Request {
        &self.received.get_ref().bare
    }

    /// Returns the client's own, without the creation context.
    pub fn into_inner(self) -> bare::Request {
        self.received.into_inner().bare
    }
}

impl Deref for Request {
    type Target = bare::Request;

    fn deref(&self) -> &bare::Request {
        self.get_ref()
    }
}

impl AsReceived for Request {
    type Message = Delivered<bare::Request>;

    fn as_received(&self) -> &Received<Self::Message> {
        &self.received
    }
}

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
