//! Messages that know the context they were created in.
//!
//! Mirrors [`async_nats::message`]: what is received stands under its own
//! name.

use std::{ops::Deref, sync::Arc};

pub use ::async_nats::message::*;
use ::async_nats::{HeaderMap, StatusCode, Subject, header::NATS_MESSAGE_ID, message as bare};
use bytes::Bytes;
use otel_messaging_core::{
    AttributeValue, Destination, OperationType, Received, process_methods, semconv::MESSAGE_ID,
};

use crate::{facts::Facts, headers, semconv};

/// Gives a message type that is built on the core's the client's own message to work with.
macro_rules! received {
    ($ours:ty, $bare:ty) => {
        impl $ours {
            /// The client's own. What is done through it is not instrumented.
            pub const fn get_ref(&self) -> &$bare {
                &self.0.get_ref().message
            }

            /// The client's own, without the creation context.
            pub fn into_inner(self) -> $bare {
                self.0.into_inner().message
            }
        }

        impl From<Received<Delivered<$bare>>> for $ours {
            fn from(received: Received<Delivered<$bare>>) -> Self {
                Self(received)
            }
        }

        impl std::ops::Deref for $ours {
            type Target = $bare;

            fn deref(&self) -> &$bare {
                self.get_ref()
            }
        }

        impl otel_messaging_core::AsReceived for $ours {
            type Message = Delivered<$bare>;

            fn as_received(&self) -> &Received<Delivered<$bare>> {
                &self.0
            }
        }
    };
}
#[cfg(feature = "jetstream")]
pub(crate) use received;

/// A message: [`async_nats::Message`](bare::Message) with its creation context.
///
/// It dereferences to the client's own.
#[derive(Debug)]
pub struct Message(Received<Delivered<bare::Message>>);

impl Message {
    process_methods!();
}

received!(Message, bare::Message);

impl Clone for Message {
    fn clone(&self) -> Self {
        Self(self.0.map_ref(Clone::clone))
    }
}

/// A message of the client's and what is known of where it came by, as the core of the instrumentation
/// reads them.
#[derive(Clone, Debug)]
pub struct Delivered<M, F = Arc<Facts>> {
    pub(crate) message: M,
    pub(crate) facts: F,
    /// What it is acknowledged by, if that is no longer its reply subject.
    pub(crate) ack: Option<Subject>,
}

impl<M, F> Delivered<M, F> {
    pub(crate) const fn new(message: M, facts: F) -> Self {
        Self { message, facts, ack: None }
    }
}

/// Where the facts are in the client's messages.
pub trait Readable {
    /// Where it was published to.
    fn subject(&self) -> &Subject;

    /// Its headers.
    fn headers(&self) -> Option<&HeaderMap>;

    /// Its body.
    fn payload(&self) -> &Bytes;

    /// How often it was delivered and its number in the stream, if it is JetStream's.
    fn place(&self) -> Option<(u64, u64)> {
        None
    }

    /// The stream that it was read from.
    fn stream(&self) -> Option<&str> {
        None
    }

    /// Whether it is the server's answer to a request, and nobody's message.
    fn is_status(&self) -> bool {
        false
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
        place(self.reply.as_ref()?)
    }

    fn is_status(&self) -> bool {
        self.status.is_some_and(|status| status != StatusCode::OK)
    }
}

impl<M, F> otel_messaging_core::Message for Delivered<M, F>
where
    M: Readable,
    F: Deref<Target = Facts>,
{
    fn destination(&self) -> Destination<'_> {
        self.facts.destination(self.message.subject())
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        headers::last(self.message.headers()?, name)
    }

    fn header_names(&self) -> Vec<&str> {
        self.message.headers().map(headers::names).unwrap_or_default()
    }

    fn attributes<'a>(
        &'a self,
        _: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX).into();
        if let Some(id) = self.message.headers().and_then(|all| all.get_last(NATS_MESSAGE_ID)) {
            visit(MESSAGE_ID, id.as_str().into());
        }
        if let Some(stream) = self.message.stream() {
            visit(semconv::STREAM, stream.into());
        }
        let place = self.message.place().or_else(|| place(self.ack.as_ref()?));
        if let Some((deliveries, sequence)) = place {
            visit(semconv::SEQUENCE, number(sequence));
            if deliveries > 1 {
                visit(semconv::DELIVERY_COUNT, number(deliveries));
            }
        }
    }

    fn body_size(&self) -> Option<usize> {
        Some(self.message.payload().len())
    }

    /// Headers and payload; not the subjects, which the protocol counts apart.
    fn envelope_size(&self) -> Option<usize> {
        Some(self.message.headers().map_or(0, headers::size) + self.message.payload().len())
    }
}

/// How often a message was delivered and its number in the stream: both are in the subject that
/// acknowledges it, `$JS.ACK.{domain}.{account}.{stream}.{consumer}.…`, of which older servers
/// leave out the first two.
fn place(ack: &str) -> Option<(u64, u64)> {
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
