//! Received messages, which know the context they were created in.
//!
//! Mirrors [`async_nats::message`]: [`Message`] has the client's name. It can be made from the
//! client's own, to test a handler or for a message that another library received:
//!
//! ```
//! use otel_messaging_async_nats::{self as async_nats, bare};
//!
//! async fn handle(order: async_nats::Message) -> Result<usize, std::fmt::Error> {
//!     Ok(order.payload.len())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let order = async_nats::Message::from(bare::Message {
//!     subject: "orders.7".into(),
//!     reply: None,
//!     payload: "7 apples".into(),
//!     headers: None,
//!     status: None,
//!     description: None,
//!     length: 8,
//! });
//! assert_eq!(order.process_with(handle).await, Ok(8));
//! # }
//! ```

use std::{borrow::Borrow, sync::Arc};

pub use ::async_nats::message::*;
use ::async_nats::{HeaderMap, StatusCode, Subject, header::NATS_MESSAGE_ID, message as bare};
use bytes::Bytes;
use otel_messaging_core::{
    Destination, OperationType, Received,
    client::{self, AttributeValue, process_methods},
    semconv::MESSAGE_ID,
};

use crate::{
    headers, semconv,
    server::{Facts, NO_FACTS},
};

/// A message: [`async_nats::Message`](bare::Message) with its creation context.
///
/// It dereferences to the client's own. A clone is the same message: it is counted as consumed
/// once.
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

/// A message of the client with what is known of its connection, as the core reads them.
#[derive(Clone, Debug)]
pub struct Delivered<M, O = Origin> {
    pub(crate) bare: M,
    pub(crate) origin: O,
    /// Parsed once, as every span of the message has it.
    pub(crate) place: Option<Place>,
}

/// What a message knows of the connection it came from.
#[derive(Clone, Debug)]
pub struct Origin(pub(crate) Option<Arc<Facts>>);

impl Borrow<Facts> for Origin {
    fn borrow(&self) -> &Facts {
        self.0.as_deref().unwrap_or(&NO_FACTS)
    }
}

impl<M: Readable, O: Borrow<Facts>> client::Message for Delivered<M, O> {
    fn destination(&self) -> Destination<'_> {
        self.origin.borrow().destination(self.bare.subject())
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        headers::last(self.bare.headers()?, name)
    }

    fn header_names(&self) -> Vec<&str> {
        self.bare.headers().map(headers::names).unwrap_or_default()
    }

    fn attributes<'a>(
        &'a self,
        _: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        if let Some(id) = self.bare.headers().and_then(|all| all.get_last(NATS_MESSAGE_ID)) {
            visit(MESSAGE_ID, id.as_str().into());
        }
        if let Some(Place { deliveries, sequence }) = self.place {
            visit(semconv::SEQUENCE, sequence.into());
            if deliveries > 1 {
                visit(semconv::DELIVERY_COUNT, deliveries.into());
            }
        }
    }

    fn body_size(&self) -> Option<usize> {
        Some(self.bare.payload().len())
    }

    /// Counts headers and payload; not the subjects, which the protocol counts apart.
    fn envelope_size(&self) -> Option<usize> {
        Some(self.bare.headers().map_or(0, headers::size) + self.bare.payload().len())
    }
}

/// A message of the client, of which telemetry reads these parts.
pub(crate) trait Readable {
    fn subject(&self) -> &Subject;

    fn headers(&self) -> Option<&HeaderMap>;

    fn payload(&self) -> &Bytes;

    /// Returns where the message is in its stream, if it comes from one.
    fn place(&self) -> Option<Place> {
        None
    }

    /// Returns whether the message is only the server's answer to a request.
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

    fn place(&self) -> Option<Place> {
        Place::parse(self.reply.as_ref()?)
    }

    fn is_status(&self) -> bool {
        self.status.is_some_and(|status| status != StatusCode::OK)
    }
}

/// Where a message is in its stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) deliveries: u64,
    pub(crate) sequence: u64,
}

impl Place {
    /// Reads the subject that acknowledges a message,
    /// `$JS.ACK.{domain}.{account}.{stream}.{consumer}.{deliveries}.{sequence}.…`, of which older
    /// servers leave out the domain and the account.
    fn parse(ack: &str) -> Option<Self> {
        let tokens = ack.strip_prefix("$JS.ACK.")?;
        let names = if tokens.split('.').count() >= 9 { 4 } else { 2 };
        let mut numbers = tokens.split('.').skip(names).map_while(|token| token.parse().ok());
        Some(Self { deliveries: numbers.next()?, sequence: numbers.next()? })
    }
}

/// Gives a message type around the core's `Received` the client's own message to work with.
macro_rules! received {
    ($ours:ty, $bare:ty) => {
        impl $ours {
            pub(crate) const fn new(
                received: ::otel_messaging_core::Received<$crate::message::Delivered<$bare>>,
            ) -> Self {
                Self(received)
            }

            /// Reads the creation context of a message that the client received otherwise, as the
            /// instrumentation of `client` says. It has no receive span, and is counted as consumed
            /// when it is processed.
            ///
            /// `From` uses the default instrumentation and knows nothing of the server.
            pub fn wrap(message: $bare, client: &$crate::Client) -> Self {
                Self::new(client.connection().extract(message))
            }

            /// Returns the client's own. What is done with it is not instrumented.
            pub const fn get_ref(&self) -> &$bare {
                &self.0.get_ref().bare
            }

            /// Returns the client's own, without the creation context.
            pub fn into_inner(self) -> $bare {
                self.0.into_inner().bare
            }
        }

        impl From<$bare> for $ours {
            fn from(message: $bare) -> Self {
                Self::new($crate::server::extract(message))
            }
        }

        impl ::std::ops::Deref for $ours {
            type Target = $bare;

            fn deref(&self) -> &$bare {
                self.get_ref()
            }
        }

        impl ::otel_messaging_core::AsReceived for $ours {
            type Message = $crate::message::Delivered<$bare>;

            fn as_received(&self) -> &::otel_messaging_core::Received<Self::Message> {
                &self.0
            }
        }
    };
}
pub(crate) use received;

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn the_place_of_a_message_is_found_in_both_forms() {
        let place = |deliveries, sequence| Some(Place { deliveries, sequence });
        for (ack, expected) in [
            ("$JS.ACK.ORDERS.billing.2.7.9.1700000000000000000.4", place(2, 7)),
            ("$JS.ACK._.hash.ORDERS.billing.1.8.9.1700000000000000000.4", place(1, 8)),
            ("$JS.ACK.hub.hash.ORDERS.billing.3.9.9.1700000000000000000.4.token", place(3, 9)),
            ("$JS.ACK.ORDERS.billing.two.7.9.1.4", None),
            ("$JS.ACK.ORDERS", None),
            ("_INBOX.x.y", None),
            ("", None),
        ] {
            assert_eq!(Place::parse(ack), expected, "{ack}");
        }
    }
}
