//! Messages of JetStream, and how they are settled.
//!
//! Mirrors [`async_nats::jetstream::message`](::async_nats::jetstream::message).

use std::{ops::Deref, sync::Arc};

pub use ::async_nats::jetstream::message::*;
use ::async_nats::{Error, header::NATS_STREAM, jetstream::message as bare};
use bytes::Bytes;
use otel_messaging_core::{
    AsReceived, AttributeValue, Clock, Destination, Operation, OperationType, Received,
    process_methods,
};

use crate::{
    facts::Connection,
    failure, headers,
    message::{Delivered, Readable, envelope_size, visit_id},
    semconv,
};

/// [`async_nats::jetstream::Message`](bare::Message) with its creation context.
///
/// It dereferences to the client's own. Each way to settle it has a span, which links to the
/// message's creation context; [`AckKind::Progress`] settles nothing and has none.
#[derive(Debug)]
pub struct Message(Received<Delivered<bare::Message>>);

impl Message {
    process_methods!();

    /// Acknowledges the message. The span ends when the client has taken that: no server answers.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn ack(&self) -> Result<(), Error> {
        self.settle(Some(semconv::ACK), self.get_ref().ack()).await
    }

    /// [`ack`](Self::ack) or another answer to the delivery.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn ack_with(&self, kind: AckKind) -> Result<(), Error> {
        self.settle(operation(kind), self.get_ref().ack_with(kind)).await
    }

    /// [`ack`](Self::ack), whose span ends when the server has confirmed it.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn double_ack(&self) -> Result<(), Error> {
        self.settle(Some(semconv::ACK), self.get_ref().double_ack()).await
    }

    /// [`double_ack`](Self::double_ack) or another answer to the delivery.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn double_ack_with(&self, kind: AckKind) -> Result<(), Error> {
        self.settle(operation(kind), self.get_ref().double_ack_with(kind)).await
    }

    /// The message, and apart from it what acknowledges it.
    pub fn split(self) -> (crate::Message, Acker) {
        let acker = self.0.map_ref(|Delivered { message, connection, ack }| {
            let mut message = message.clone();
            (message.message.payload, message.message.headers) = (Bytes::new(), None);
            Delivered { message, connection: Arc::clone(connection), ack: ack.clone() }
        });
        let message = self.0.map(|Delivered { message, connection, .. }| {
            let mut message = message.message;
            let ack = message.reply.take();
            Delivered { message, connection, ack }
        });
        (message.into(), Acker(Self(acker)))
    }

    async fn settle(
        &self,
        operation: Option<Operation>,
        answer: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error> {
        let operation = operation.map(|operation| self.0.settle(operation));
        let result = answer.await;
        if let Some(operation) = operation {
            failure::end(operation, &result);
        }
        result
    }

    /// The client's own message. What is settled through it is not instrumented.
    pub const fn get_ref(&self) -> &bare::Message {
        &self.0.get_ref().message
    }

    /// The client's own message, without the creation context.
    pub fn into_inner(self) -> bare::Message {
        self.0.into_inner().message
    }
}

/// What an answer to a delivery is called, unless it only asks for time.
const fn operation(kind: AckKind) -> Option<Operation> {
    match kind {
        AckKind::Ack | AckKind::Next => Some(semconv::ACK),
        AckKind::Nak(_) => Some(semconv::NAK),
        AckKind::Term => Some(semconv::TERM),
        AckKind::Progress => None,
    }
}

impl From<Received<Delivered<bare::Message>>> for Message {
    fn from(received: Received<Delivered<bare::Message>>) -> Self {
        Self(received)
    }
}

impl Clone for Message {
    fn clone(&self) -> Self {
        Self(self.0.map_ref(Clone::clone))
    }
}

impl Deref for Message {
    type Target = bare::Message;

    fn deref(&self) -> &Self::Target {
        self.get_ref()
    }
}

impl AsReceived for Message {
    type Message = Delivered<bare::Message>;

    fn as_received(&self) -> &Received<Self::Message> {
        &self.0
    }
}

impl Readable for bare::Message {
    fn message(&self) -> &::async_nats::Message {
        self
    }
}

/// [`async_nats::jetstream::message::Acker`](bare::Acker), instrumented: what a message was
/// [split](Message::split) from, to settle it by.
#[derive(Debug)]
pub struct Acker(Message);

impl Acker {
    /// As [`Message::ack`].
    ///
    /// # Errors
    /// Those of the client.
    pub async fn ack(&self) -> Result<(), Error> {
        self.0.ack().await
    }

    /// As [`Message::ack_with`].
    ///
    /// # Errors
    /// Those of the client.
    pub async fn ack_with(&self, kind: AckKind) -> Result<(), Error> {
        self.0.ack_with(kind).await
    }

    /// As [`Message::double_ack`].
    ///
    /// # Errors
    /// Those of the client.
    pub async fn double_ack(&self) -> Result<(), Error> {
        self.0.double_ack().await
    }

    /// As [`Message::double_ack_with`].
    ///
    /// # Errors
    /// Those of the client.
    pub async fn double_ack_with(&self, kind: AckKind) -> Result<(), Error> {
        self.0.double_ack_with(kind).await
    }
}

/// [`async_nats::jetstream::message::StreamMessage`](bare::StreamMessage), a message that was read
/// from where it is stored, with the context of whoever wrote it.
///
/// That may be long ago: it is linked and never a parent. So such a message is processed as a
/// [`Batch`](otel_messaging_core::Batch), alone or with others.
#[derive(Debug)]
pub struct StreamMessage(Received<Stored>);

impl StreamMessage {
    pub(super) fn read(
        message: bare::StreamMessage,
        connection: &Arc<Connection>,
        clock: Clock,
    ) -> Self {
        let stored = Stored { message, connection: Arc::clone(connection) };
        Self(connection.endpoint().receive(semconv::GET, clock, stored))
    }

    /// The client's own message, without the creation context.
    pub fn into_inner(self) -> bare::StreamMessage {
        self.0.into_inner().message
    }
}

impl Deref for StreamMessage {
    type Target = bare::StreamMessage;

    fn deref(&self) -> &Self::Target {
        &self.0.get_ref().message
    }
}

impl AsReceived for StreamMessage {
    type Message = Stored;

    fn as_received(&self) -> &Received<Stored> {
        &self.0
    }
}

/// A stored message of the client's, as the core of the instrumentation reads it.
#[derive(Debug)]
pub struct Stored {
    message: bare::StreamMessage,
    connection: Arc<Connection>,
}

impl otel_messaging_core::Message for Stored {
    fn destination(&self) -> Destination<'_> {
        self.connection.destination(&self.message.subject)
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        headers::last(&self.message.headers, name)
    }

    fn header_names(&self) -> Vec<&str> {
        headers::names(&self.message.headers)
    }

    fn attributes<'a>(
        &'a self,
        _: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        visit_id(Some(&self.message.headers), visit);
        visit(semconv::SEQUENCE, i64::try_from(self.message.sequence).unwrap_or(i64::MAX).into());
        if let Some(stream) = self.message.headers.get_last(NATS_STREAM) {
            visit(semconv::STREAM, stream.as_str().into());
        }
    }

    fn body_size(&self) -> Option<usize> {
        Some(self.message.payload.len())
    }

    fn envelope_size(&self) -> Option<usize> {
        Some(envelope_size(Some(&self.message.headers), &self.message.payload))
    }
}
