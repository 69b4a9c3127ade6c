//! The client's traits, for code that is generic over them.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use ::async_nats::{
    ToSubject,
    client::traits::{Publisher, Requester, TimeoutProvider},
    message::OutboundMessage,
};
use bytes::Bytes;
use futures_sink::Sink;

use super::{Client, PublishError, Request, RequestError};
use crate::{Message, outgoing::end_taken, semconv};

impl Publisher for Client {
    fn publish_with_reply<S: ToSubject, R: ToSubject>(
        &self,
        subject: S,
        reply: R,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), PublishError>> {
        Self::publish_with_reply(self, subject, reply, payload)
    }

    fn publish_message(
        &self,
        message: OutboundMessage,
    ) -> impl Future<Output = Result<(), PublishError>> {
        self.send_message(message, None)
    }
}

impl Requester for Client {
    async fn send_request<S: ToSubject>(
        &self,
        subject: S,
        request: Request,
    ) -> Result<::async_nats::Message, RequestError> {
        Self::send_request(self, subject, request).await.map(Message::into_inner)
    }
}

impl TimeoutProvider for Client {
    fn timeout(&self) -> Option<Duration> {
        self.bare.timeout()
    }
}

/// Publishes messages. Each has its send span, which ends when the client has taken it.
impl Sink<OutboundMessage> for Client {
    type Error = PublishError;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), PublishError>> {
        Pin::new(&mut self.bare).poll_ready(context)
    }

    fn start_send(
        mut self: Pin<&mut Self>,
        mut message: OutboundMessage,
    ) -> Result<(), PublishError> {
        let operation = self.connection.send(semconv::PUBLISH, &mut message, None);
        end_taken(operation, Pin::new(&mut self.bare).start_send(message))
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), PublishError>> {
        Pin::new(&mut self.bare).poll_flush(context)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), PublishError>> {
        Pin::new(&mut self.bare).poll_close(context)
    }
}
