//! A message on its way into the client.

use ::async_nats::{HeaderMap, Subject, message::OutboundMessage};
use bytes::Bytes;
use otel_messaging_core::{
    ActiveOperation, CreationContext, Field, NotInjected, Operation, OutgoingMessage,
};

use crate::{
    facts::{Connection, Facts},
    headers,
    message::{Delivered, Readable},
};

/// A message that will be sent.
type Outgoing<'a> = Delivered<Limited<'a>, &'a Facts>;

/// A message, and how many bytes it may have.
struct Limited<'a> {
    message: &'a mut OutboundMessage,
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
        let mut outgoing = self.outgoing(message);
        match creation {
            Some(creation) => self.endpoint().send_created(operation, &mut outgoing, creation),
            None => self.endpoint().send(operation, &mut outgoing),
        }
    }

    /// Starts to send messages as one batch.
    pub(crate) fn send_batch(
        &self,
        operation: Operation,
        messages: &mut [OutboundMessage],
    ) -> ActiveOperation {
        let outgoing = messages.iter_mut().map(|message| self.outgoing(message));
        self.endpoint().send_batch(operation, &mut outgoing.collect::<Vec<_>>())
    }

    fn outgoing<'a>(&'a self, message: &'a mut OutboundMessage) -> Outgoing<'a> {
        Outgoing::new(Limited { message, limit: self.max_payload() }, self.facts())
    }
}

impl Readable for Limited<'_> {
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
        let Limited { message: OutboundMessage { headers, payload, .. }, limit } =
            &mut self.message;
        headers::replace(headers, fields, self.facts.canonical, payload.len(), *limit)
    }
}

/// A message without a reply subject.
pub(crate) const fn outbound(
    subject: Subject,
    headers: Option<HeaderMap>,
    payload: Bytes,
) -> OutboundMessage {
    OutboundMessage { subject, reply: None, payload, headers }
}
