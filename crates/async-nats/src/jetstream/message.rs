//! Messages of JetStream, and how they are settled.
//!
//! Mirrors [`async_nats::jetstream::message`]. A [`Message`] can be made from the client's own, to
//! test a handler or for a message that another library received:
//!
//! ```
//! use otel_messaging_async_nats::{bare, jetstream::Message};
//!
//! async fn handle(order: &Message) -> Result<usize, std::fmt::Error> {
//!     Ok(order.payload.len())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A client that needs no server.
//! let client = bare::ConnectOptions::new().retry_on_initial_connect().connect("127.0.0.1").await?;
//! let message = bare::Message {
//!     subject: "orders.7".into(),
//!     reply: Some("$JS.ACK.ORDERS.billing.1.7.7.1700000000000000000.0".into()),
//!     payload: "7 apples".into(),
//!     headers: None,
//!     status: None,
//!     description: None,
//!     length: 8,
//! };
//! let order = Message::from(bare::jetstream::Message { message, context: bare::jetstream::new(client) });
//! assert_eq!(order.process(handle(&order)).await, Ok(8));
//! # Ok(())
//! # }
//! ```

use std::num::NonZeroU64;

pub use ::async_nats::jetstream::message::*;
use ::async_nats::{Error, HeaderMap, Subject, jetstream::message as bare, message as core};
use bytes::Bytes;
use otel_messaging_core::{Received, client::process_methods};

use crate::{
    delivered::{Delivered, Place, Readable},
    message::received,
    settle,
};

/// [`async_nats::jetstream::Message`](bare::Message) with its creation context.
///
/// It dereferences to the client's own. A clone is the same message: it is counted as consumed
/// once. Each way to settle it has a span, which links to the message's creation context;
/// [`AckKind::Progress`] settles nothing and has none.
#[derive(Debug)]
pub struct Message(Received<Delivered<bare::Message>>);

impl Message {
    process_methods!();

    /// Acknowledges the message. The span ends when the client has taken that, as no server
    /// answers.
    ///
    /// Cancel safety: dropped before the client took it, nothing is settled, and the span ends as
    /// `cancelled`.
    ///
    /// # Errors
    /// Returns the client's error unchanged.
    pub fn ack(&self) -> impl Future<Output = Result<(), Error>> {
        settle::ack(&self.0, AckKind::Ack, || self.get_ref().ack())
    }

    /// Settles the message in one of several ways.
    ///
    /// Errors and cancel safety: as [`ack`](Self::ack).
    pub fn ack_with(&self, kind: AckKind) -> impl Future<Output = Result<(), Error>> {
        settle::ack(&self.0, kind, move || self.get_ref().ack_with(kind))
    }

    /// Acknowledges the message and waits until the server confirms it, which ends the span.
    ///
    /// Cancel safety: dropped while it waits for the server, the message is settled, and the span
    /// ends without an error. Dropped before the client took it, the span ends as `cancelled`.
    ///
    /// # Errors
    /// Returns the client's error unchanged.
    pub fn double_ack(&self) -> impl Future<Output = Result<(), Error>> {
        self.double_ack_with(AckKind::Ack)
    }

    /// Settles the message in one of several ways and waits until the server confirms it.
    ///
    /// Errors and cancel safety: as [`double_ack`](Self::double_ack).
    pub fn double_ack_with(&self, kind: AckKind) -> impl Future<Output = Result<(), Error>> {
        settle::double_ack(&self.0, kind)
    }

    /// Splits the message from what settles it, so that its payload can be dropped before.
    pub fn split(self) -> (crate::Message, Acker) {
        let acker = |bare: &bare::Message| {
            let core::Message { subject, reply, status, description, length, .. } = &bare.message;
            let message = core::Message {
                subject: subject.clone(),
                reply: reply.clone(),
                payload: Bytes::new(),
                headers: None,
                status: *status,
                description: description.clone(),
                length: *length,
            };
            bare::Message { message, context: bare.context.clone() }
        };
        let acker = self.0.map_ref(|delivered| delivered.map_ref(acker));
        let message = |bare: bare::Message| core::Message { reply: None, ..bare.message };
        let message = self.0.map(|delivered| delivered.map(message));
        (crate::Message::new(message), Acker(Self(acker)))
    }
}

received!(Message, bare::Message);

impl Clone for Message {
    fn clone(&self) -> Self {
        Self(self.0.map_ref(Clone::clone))
    }
}

/// Takes the message without the means to settle it.
impl From<Message> for crate::Message {
    fn from(message: Message) -> Self {
        Self::new(message.0.map(|delivered| delivered.map(|bare| bare.message)))
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

    fn place(&self) -> Option<Place> {
        self.message.place()
    }
}

/// [`async_nats::jetstream::message::Acker`](bare::Acker), instrumented: settles a message that was
/// [split](Message::split) from it.
#[derive(Debug)]
pub struct Acker(Message);

impl Acker {
    /// Does as [`Message::ack`], also in errors and cancel safety.
    pub fn ack(&self) -> impl Future<Output = Result<(), Error>> {
        self.0.ack()
    }

    /// Does as [`Message::ack_with`], also in errors and cancel safety.
    pub fn ack_with(&self, kind: AckKind) -> impl Future<Output = Result<(), Error>> {
        self.0.ack_with(kind)
    }

    /// Does as [`Message::double_ack`], also in errors and cancel safety.
    pub fn double_ack(&self) -> impl Future<Output = Result<(), Error>> {
        self.0.double_ack()
    }

    /// Does as [`Message::double_ack_with`], also in errors and cancel safety.
    pub fn double_ack_with(&self, kind: AckKind) -> impl Future<Output = Result<(), Error>> {
        self.0.double_ack_with(kind)
    }
}

/// [`async_nats::jetstream::message::StreamMessage`](bare::StreamMessage), a message that was read
/// from where it is stored, with the context of the span that wrote it.
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

    fn place(&self) -> Option<Place> {
        Some(Place { deliveries: NonZeroU64::MIN, sequence: self.sequence })
    }
}
