//! A message on its way into the client.

use std::borrow::BorrowMut;

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
pub(crate) type Outgoing<'a, M> = Delivered<Limited<M>, &'a Facts>;

/// A message, and how many bytes it may have.
pub(crate) struct Limited<M> {
    message: M,
    limit: usize,
}

impl Connection {
    /// Starts to send a message, which was created in `creation` or is created here.
    pub(crate) fn send(
        &self,
        operation: Operation,
        message: &mut OutboundMessage,
        creation: Option<&CreationContext>,
    ) -> ActiveOperation {
        self.with_instrumenter(|instrumenter| {
            let mut outgoing = self.outgoing(message);
            match creation {
                Some(context) => instrumenter.send_with_context(operation, &mut outgoing, context),
                None => instrumenter.send(operation, &mut outgoing),
            }
        })
    }

    /// Starts to send messages as one batch, and returns each with its share of the operation.
    pub(crate) fn send_batch<'a>(
        &self,
        operation: Operation,
        mut messages: Vec<Outgoing<'a, OutboundMessage>>,
    ) -> impl Iterator<Item = (OutboundMessage, ActiveOperation)> + use<'a> {
        let operations = self
            .with_instrumenter(|instrumenter| instrumenter.send_batch(operation, &mut messages));
        messages.into_iter().map(|outgoing| outgoing.bare.message).zip(operations)
    }

    pub(crate) fn outgoing<M>(&self, message: M) -> Outgoing<'_, M> {
        let bare = Limited { message, limit: self.max_payload() };
        Delivered::new(bare, self.facts())
    }
}

/// Ends an operation whose message the client took or refused at once, and returns the result.
#[inline]
pub(crate) fn end_taken<E: Classify>(
    operation: ActiveOperation,
    result: Result<(), E>,
) -> Result<(), E> {
    match &result {
        Ok(()) => operation.end(),
        Err(error) => reject(operation, error),
    }
    result
}

/// Ends an operation whose message the client refused: it does not count as sent.
pub(crate) fn reject(operation: ActiveOperation, error: &impl Classify) {
    if operation.is_running() {
        operation.reject(error.failure());
    }
}

impl<M: BorrowMut<OutboundMessage>> Readable for Limited<M> {
    fn subject(&self) -> &Subject {
        &self.message.borrow().subject
    }

    fn headers(&self) -> Option<&HeaderMap> {
        self.message.borrow().headers.as_ref()
    }

    fn payload(&self) -> &Bytes {
        &self.message.borrow().payload
    }
}

impl<M: BorrowMut<OutboundMessage>> OutgoingMessage for Outgoing<'_, M> {
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected> {
        let Limited { message, limit } = &mut self.bare;
        let OutboundMessage { headers, payload, .. } = message.borrow_mut();
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
