//! A message on its way into the client.

use ::async_nats::{Subject, message::OutboundMessage};
use bytes::Bytes;
use otel_messaging_core::{
    ActiveOperation, AttributeValue, CreationContext, Destination, Field, Message, NotInjected,
    Operation, OperationType, OutgoingMessage,
};

use crate::{facts::Connection, headers, message};

/// A message, and the connection it will be sent on.
pub(crate) struct Outgoing<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) message: &'a mut OutboundMessage,
}

impl Connection {
    /// Starts to send a message, which was created in `creation` or is created here.
    pub(crate) fn send(
        &self,
        operation: Operation,
        message: &mut OutboundMessage,
        creation: Option<&CreationContext>,
    ) -> ActiveOperation {
        let mut outgoing = Outgoing { connection: self, message };
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
        let outgoing = messages.iter_mut().map(|message| Outgoing { connection: self, message });
        self.endpoint().send_batch(operation, &mut outgoing.collect::<Vec<_>>())
    }
}

impl Message for Outgoing<'_> {
    fn destination(&self) -> Destination<'_> {
        self.connection.destination(&self.message.subject)
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        headers::last(self.message.headers.as_ref()?, name)
    }

    fn header_names(&self) -> Vec<&str> {
        self.message.headers.as_ref().map(headers::names).unwrap_or_default()
    }

    fn attributes<'a>(
        &'a self,
        _: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        message::visit_id(self.message.headers.as_ref(), visit);
    }

    fn body_size(&self) -> Option<usize> {
        Some(self.message.payload.len())
    }

    fn envelope_size(&self) -> Option<usize> {
        Some(message::envelope_size(self.message.headers.as_ref(), &self.message.payload))
    }
}

impl OutgoingMessage for Outgoing<'_> {
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected> {
        headers::replace(
            &mut self.message.headers,
            fields,
            self.connection.writes_canonical(),
            self.message.payload.len(),
            self.connection.max_payload(),
        )
    }
}

/// A message without a reply subject.
pub(crate) fn outbound(
    subject: Subject,
    headers: Option<::async_nats::HeaderMap>,
    payload: Bytes,
) -> OutboundMessage {
    OutboundMessage { subject, reply: None, payload, headers }
}
