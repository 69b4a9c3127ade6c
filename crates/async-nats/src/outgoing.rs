//! A message on its way into the client.

use ::async_nats::{HeaderMap, Subject, message::OutboundMessage};
use bytes::Bytes;
use otel_messaging_core::{
    ActiveOperation, CreationContext, Field, NotInjected, Operation, OutgoingMessage,
};

use crate::{
    facts::Connection,
    headers,
    message::{Delivered, Readable},
};

/// A message, and the connection it will be sent on.
type Outgoing<'a> = Delivered<&'a mut OutboundMessage, &'a Connection>;

impl Connection {
    /// Starts to send a message, which was created in `creation` or is created here.
    pub(crate) fn send(
        &self,
        operation: Operation,
        message: &mut OutboundMessage,
        creation: Option<&CreationContext>,
    ) -> ActiveOperation {
        let mut outgoing = Outgoing::new(message, self);
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
        let outgoing = messages.iter_mut().map(|message| Outgoing::new(message, self));
        self.endpoint().send_batch(operation, &mut outgoing.collect::<Vec<_>>())
    }
}

impl Readable for &mut OutboundMessage {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn headers(&self) -> Option<&HeaderMap> {
        self.headers.as_ref()
    }

    fn payload(&self) -> &Bytes {
        &self.payload
    }
}

impl OutgoingMessage for Outgoing<'_> {
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected> {
        let (canonical, limit) =
            (self.connection.writes_canonical(), self.connection.max_payload());
        let OutboundMessage { headers, payload, .. } = &mut *self.message;
        headers::replace(headers, fields, canonical, payload.len(), limit)
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
