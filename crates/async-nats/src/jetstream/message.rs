//! Messages of JetStream, and how they are settled.
//!
//! Mirrors [`async_nats::jetstream::message`].

pub use ::async_nats::jetstream::message::*;
use ::async_nats::{
    Error, HeaderMap, HeaderValue, Subject, header::NATS_STREAM, jetstream::message as bare,
};
use bytes::Bytes;
use otel_messaging_core::{Operation, Received, process_methods};

use crate::{
    failure,
    message::{Delivered, Readable, received},
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
        let acker = self.0.map_ref(|delivered| {
            let mut delivered = delivered.clone();
            let message = &mut delivered.message.message;
            (message.payload, message.headers) = (Bytes::new(), None);
            delivered
        });
        let message = self.0.map(|Delivered { mut message, facts, .. }| {
            let ack = message.message.reply.take();
            Delivered { message: message.message, facts, ack }
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
}

received!(Message, bare::Message);

impl Clone for Message {
    fn clone(&self) -> Self {
        Self(self.0.map_ref(Clone::clone))
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

/// Without the means to settle it.
impl From<Message> for crate::Message {
    fn from(message: Message) -> Self {
        let core = |Delivered { message: bare::Message { message, .. }, facts, ack }| Delivered {
            message,
            facts,
            ack,
        };
        message.0.map(core).into()
    }
}

impl Readable for bare::Message {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn headers(&self) -> Option<&HeaderMap> {
        self.headers.as_ref()
    }

    fn payload(&self) -> &Bytes {
        &self.payload
    }

    fn place(&self) -> Option<(u64, u64)> {
        self.message.place()
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
pub struct StreamMessage(Received<Delivered<bare::StreamMessage>>);

received!(StreamMessage, bare::StreamMessage);

impl Readable for bare::StreamMessage {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn headers(&self) -> Option<&HeaderMap> {
        Some(&self.headers)
    }

    fn payload(&self) -> &Bytes {
        &self.payload
    }

    fn place(&self) -> Option<(u64, u64)> {
        Some((1, self.sequence))
    }

    fn stream(&self) -> Option<&str> {
        self.headers.get_last(NATS_STREAM).map(HeaderValue::as_str)
    }
}
