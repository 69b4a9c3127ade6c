//! Messages that know the context they were created in.
//!
//! Mirrors [`async_nats::message`](::async_nats::message): what is received stands under its own
//! name.

use std::{ops::Deref, sync::Arc};

pub use ::async_nats::message::*;
use ::async_nats::{HeaderMap, StatusCode, Subject, header::NATS_MESSAGE_ID, message as bare};
use bytes::Bytes;
use otel_messaging_core::{
    AsReceived, AttributeValue, Destination, OperationType, Received, process_methods,
    semconv::MESSAGE_ID,
};

use crate::{facts::Connection, headers, semconv};

/// A message: [`async_nats::Message`](::async_nats::Message) with its creation context.
///
/// It dereferences to the client's own.
#[derive(Debug)]
pub struct Message(Received<Delivered<bare::Message>>);

impl Message {
    process_methods!();

    /// The client's own message.
    pub const fn get_ref(&self) -> &bare::Message {
        &self.0.get_ref().message
    }

    /// The client's own message, without the creation context.
    pub fn into_inner(self) -> bare::Message {
        self.0.into_inner().message
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

/// A message of the client's, as the core of the instrumentation reads it.
#[derive(Clone, Debug)]
pub struct Delivered<M> {
    pub(crate) message: M,
    pub(crate) connection: Arc<Connection>,
    /// What it is acknowledged by, if that is no longer its reply subject.
    pub(crate) ack: Option<Subject>,
}

impl<M> Delivered<M> {
    pub(crate) fn new(message: M, connection: &Arc<Connection>) -> Self {
        Self { message, connection: Arc::clone(connection), ack: None }
    }
}

/// What the core's message is in the client's messages and a service's requests.
pub trait Readable {
    /// The message of core NATS.
    fn message(&self) -> &bare::Message;

    /// Whether it is the server's answer to a request, and nobody's message.
    fn is_status(&self) -> bool {
        self.message().status.is_some_and(|status| status != StatusCode::OK)
    }
}

impl Readable for bare::Message {
    fn message(&self) -> &bare::Message {
        self
    }
}

impl<M: Readable> otel_messaging_core::Message for Delivered<M> {
    fn destination(&self) -> Destination<'_> {
        self.connection.destination(&self.message.message().subject)
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        headers::last(self.message.message().headers.as_ref()?, name)
    }

    fn header_names(&self) -> Vec<&str> {
        self.message.message().headers.as_ref().map(headers::names).unwrap_or_default()
    }

    fn attributes<'a>(
        &'a self,
        _: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        let message = self.message.message();
        visit_id(message.headers.as_ref(), visit);
        let ack = self.ack.as_ref().or(message.reply.as_ref());
        if let Some((deliveries, sequence)) = ack.and_then(|ack| place(ack)) {
            visit(semconv::SEQUENCE, sequence.into());
            if deliveries > 1 {
                visit(semconv::DELIVERY_COUNT, deliveries.into());
            }
        }
    }

    fn body_size(&self) -> Option<usize> {
        Some(self.message.message().payload.len())
    }

    fn envelope_size(&self) -> Option<usize> {
        let message = self.message.message();
        Some(envelope_size(message.headers.as_ref(), &message.payload))
    }
}

/// Tells the id by which JetStream finds duplicates.
pub(crate) fn visit_id<'a>(
    headers: Option<&'a HeaderMap>,
    visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
) {
    if let Some(id) = headers.and_then(|headers| headers.get_last(NATS_MESSAGE_ID)) {
        visit(MESSAGE_ID, id.as_str().into());
    }
}

/// Headers and payload; not the subjects, which the protocol counts apart.
pub(crate) fn envelope_size(headers: Option<&HeaderMap>, payload: &Bytes) -> usize {
    headers.map_or(0, headers::size) + payload.len()
}

/// How often a message was delivered and its number in the stream, if it is JetStream's: both are
/// in the subject that acknowledges it, `$JS.ACK.{domain}.{account}.{stream}.{consumer}.…`, of
/// which older servers leave out the first two.
fn place(ack: &str) -> Option<(i64, i64)> {
    let tokens = ack.strip_prefix("$JS.ACK.")?;
    let names = if tokens.split('.').count() >= 9 { 4 } else { 2 };
    let mut numbers = tokens.split('.').skip(names).map_while(|token| token.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn the_place_of_a_message_is_found_in_both_forms() {
        for (ack, expected) in [
            ("$JS.ACK.ORDERS.billing.2.7.9.1700000000000000000.4", Some((2, 7))),
            ("$JS.ACK._.hash.ORDERS.billing.1.8.9.1700000000000000000.4", Some((1, 8))),
            ("$JS.ACK.hub.hash.ORDERS.billing.3.9.9.1700000000000000000.4.token", Some((3, 9))),
            ("$JS.ACK.ORDERS.billing.two.7.9.1.4", None),
            ("$JS.ACK.ORDERS", None),
            ("_INBOX.x.y", None),
            ("", None),
        ] {
            assert_eq!(place(ack), expected, "{ack}");
        }
    }
}
