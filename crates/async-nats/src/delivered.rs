//! What the core reads of a message: the client's own, and the facts of its connection.

use std::{borrow::Borrow, num::NonZeroU64, sync::Arc};

use ::async_nats::{
    HeaderMap, HeaderValue, StatusCode, Subject, header::NATS_MESSAGE_ID, message as bare,
};
use bytes::Bytes;
use otel_messaging_core::{
    Destination, OperationType,
    client::{self, AttributeValue},
    semconv::MESSAGE_ID,
};

use crate::{headers, semconv};

/// A message of the client with what is known of its connection, as the core reads them.
#[derive(Clone, Debug)]
pub struct Delivered<M, O = Origin> {
    pub(crate) bare: M,
    pub(crate) origin: O,
    /// Where the message is in its stream, if this form of it does not tell. No cache: a cell that is
    /// safe to share costs as much as parsing again, and makes every message larger.
    place: Option<Place>,
}

impl<M, O> Delivered<M, O> {
    pub(crate) const fn new(bare: M, origin: O) -> Self {
        Self { bare, origin, place: None }
    }

    fn place(&self) -> Option<Place>
    where
        M: Readable,
    {
        self.place.or_else(|| self.bare.place())
    }

    /// Puts the message into another form, which need not tell its place.
    #[cfg(feature = "jetstream")]
    pub(crate) fn map<N>(self, form: impl FnOnce(M) -> N) -> Delivered<N, O>
    where
        M: Readable,
    {
        let place = self.place();
        Delivered { bare: form(self.bare), origin: self.origin, place }
    }

    /// Copies the message into another form, which need not tell its place.
    #[cfg(feature = "jetstream")]
    pub(crate) fn map_ref<N>(&self, form: impl FnOnce(&M) -> N) -> Delivered<N, O>
    where
        M: Readable,
        O: Clone,
    {
        let place = self.place();
        Delivered { bare: form(&self.bare), origin: self.origin.clone(), place }
    }
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
        if let Some(id) = self.bare.headers().and_then(message_id) {
            visit(MESSAGE_ID, id.into());
        }
        if let Some(Place { deliveries, sequence }) = self.place() {
            visit(semconv::SEQUENCE, sequence.into());
            if deliveries > NonZeroU64::MIN {
                visit(semconv::DELIVERY_COUNT, deliveries.get().into());
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

/// Returns the value of `Nats-Msg-Id`. To compare a few names costs less than to hash one.
fn message_id(headers: &HeaderMap) -> Option<&str> {
    let (_, values) = headers.iter().find(|(name, _)| **name == NATS_MESSAGE_ID)?;
    values.last().map(HeaderValue::as_str)
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

impl<M: Readable> Readable for &M {
    fn subject(&self) -> &Subject {
        M::subject(self)
    }

    fn headers(&self) -> Option<&HeaderMap> {
        M::headers(self)
    }

    fn payload(&self) -> &Bytes {
        M::payload(self)
    }

    fn place(&self) -> Option<Place> {
        M::place(self)
    }

    fn is_status(&self) -> bool {
        M::is_status(self)
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
    pub(crate) deliveries: NonZeroU64,
    pub(crate) sequence: u64,
}

impl Place {
    /// Reads the subject that acknowledges a message,
    /// `$JS.ACK.{domain}.{account}.{stream}.{consumer}.{deliveries}.{sequence}.…`, of which older
    /// servers leave out the domain and the account.
    fn parse(ack: &str) -> Option<Self> {
        let tokens = ack.strip_prefix("$JS.ACK.")?;
        let is_dot = |byte: &u8| *byte == b'.';
        // In a pass of its own, which is vectorised.
        let dots = tokens.bytes().filter(is_dot).count();
        let names = if dots >= 8 { 4 } else { 2 };
        let numbers = tokens.as_bytes().split(is_dot).skip(names);
        let mut numbers = numbers.map_while(|token| str::from_utf8(token).ok()?.parse().ok());
        Some(Self { deliveries: NonZeroU64::new(numbers.next()?)?, sequence: numbers.next()? })
    }
}

/// What does not change with the server. Messages share it, which keeps no connection alive.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The server as the application named it, if it did.
    pub(crate) address: Option<(String, u16)>,
    /// Whether header names are written as Go writes them.
    pub(crate) canonical: bool,
    pub(crate) group: Option<String>,
    pub(crate) stream: Option<String>,
    /// The subject that messages are subscribed to by, if it has wildcards.
    pub(crate) template: Option<String>,
    /// What the client's inboxes start with.
    pub(crate) inboxes: Option<String>,
}

/// The facts of a connection that is not known.
pub(crate) static NO_FACTS: Facts = Facts::NONE;

impl Facts {
    pub(crate) const NONE: Self = Self {
        address: None,
        canonical: false,
        group: None,
        stream: None,
        template: None,
        inboxes: None,
    };

    pub(crate) fn destination<'a>(&'a self, subject: &'a str) -> Destination<'a> {
        let mut destination = Destination::new(subject);
        if let Some(template) = &self.template {
            destination = destination.with_template(template);
        }
        if self.is_temporary(subject) { destination.temporary() } else { destination }
    }

    /// Returns whether a subject goes away with its user: an inbox, or the subject that a message
    /// is acknowledged by.
    pub(crate) fn is_temporary(&self, subject: &str) -> bool {
        let own = self.inboxes.as_deref();
        ["_INBOX", "$JS.ACK."].into_iter().chain(own).any(|prefix| subject.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_message_is_found_in_both_forms() {
        let place = |deliveries, sequence| {
            NonZeroU64::new(deliveries).map(|deliveries| Place { deliveries, sequence })
        };
        for (ack, expected) in [
            ("$JS.ACK.ORDERS.billing.2.7.9.1700000000000000000.4", place(2, 7)),
            ("$JS.ACK._.hash.ORDERS.billing.1.8.9.1700000000000000000.4", place(1, 8)),
            ("$JS.ACK.hub.hash.ORDERS.billing.3.9.9.1700000000000000000.4.token", place(3, 9)),
            ("$JS.ACK.ORDERS.billing.two.7.9.1.4", None),
            ("$JS.ACK.ORDERS.billing.0.7.9.1.4", None),
            ("$JS.ACK.ORDERS", None),
            ("_INBOX.x.y", None),
            ("", None),
        ] {
            assert_eq!(Place::parse(ack), expected, "{ack}");
        }
    }
}
