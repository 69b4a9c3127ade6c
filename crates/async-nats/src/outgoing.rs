//! A message on its way into the client.

use ::async_nats::{HeaderMap, Subject, message::OutboundMessage};
use bytes::Bytes;
use otel_messaging_core::{
    ActiveOperation, CreationContext, Operation,
    client::{Field, NotInjected, OutgoingMessage},
};

use crate::{
    delivered::{Delivered, Facts, Readable},
    error_type::Classify,
    headers,
    server::Connection,
};

/// A message that will be sent.
pub(crate) type Outgoing<'a> = Delivered<Limited, &'a Facts>;

/// A message, and how many bytes it may have.
pub(crate) struct Limited {
    message: OutboundMessage,
    limit: usize,
}

impl Connection {
    /// Starts to send a message, which was created in `creation` or is created here.
    pub(crate) fn send(
        &self,
        operation: Operation,
        message: OutboundMessage,
        creation: Option<&CreationContext>,
    ) -> (OutboundMessage, ActiveOperation) {
        let mut outgoing = self.outgoing(message);
        let operation = self.with_instrumenter(|instrumenter| match creation {
            Some(creation) => instrumenter.send_with_context(operation, &mut outgoing, creation),
            None => instrumenter.send(operation, &mut outgoing),
        });
        (outgoing.bare.message, operation)
    }

    /// Starts to send messages as one batch, and returns each with its share of the operation.
    pub(crate) fn send_batch<'a>(
        &self,
        operation: Operation,
        mut messages: Vec<Outgoing<'a>>,
    ) -> impl Iterator<Item = (OutboundMessage, ActiveOperation)> + use<'a> {
        let operations = self
            .with_instrumenter(|instrumenter| instrumenter.send_batch(operation, &mut messages));
        messages.into_iter().map(|outgoing| outgoing.bare.message).zip(operations)
    }

    /// Ends an operation whose message the client took or refused at once.
    pub(crate) fn end_taken<E: Classify>(
        &self,
        operation: ActiveOperation,
        result: &Result<(), E>,
    ) {
        match result {
            Ok(()) => operation.end(),
            Err(error) => self.reject(operation, error),
        }
    }

    /// Ends an operation whose message the client refused: it does not count as sent.
    pub(crate) fn reject(&self, operation: ActiveOperation, error: &impl Classify) {
        if self.is_enabled() {
            operation.reject(error.failure());
        }
    }

    pub(crate) fn outgoing(&self, message: OutboundMessage) -> Outgoing<'_> {
        let bare = Limited { message, limit: self.max_payload() };
        Delivered::new(bare, self.facts())
    }
}

impl Readable for Limited {
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

impl OutgoingMessage for Outgoing<'_> {
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected> {
        let Limited { message: OutboundMessage { headers, payload, .. }, limit } = &mut self.bare;
        headers::replace(headers, fields, self.origin.canonical, payload.len(), *limit)
    }
}

/// Makes a message without a reply subject.
pub(crate) const fn outbound(
    subject: Subject,
    headers: Option<HeaderMap>,
    payload: Bytes,
) -> OutboundMessage {
    OutboundMessage { subject, reply: None, payload, headers }
}
