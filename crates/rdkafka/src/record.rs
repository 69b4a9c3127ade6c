//! A record on its way into the producer.

use std::mem;

use otel_messaging_core::{
    AttributeValue, Destination, Field, Message, NotInjected, OperationType, OutgoingMessage,
};
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    message::{OwnedHeaders, ToBytes},
    producer::{BaseRecord, FutureRecord},
    util::IntoOpaque,
};

use crate::{
    message::{destination, envelope_size, header_names},
    native::{self, HeaderList},
    semconv,
};

/// What the client's two records have in common, borrowed from either.
pub(crate) struct Record<'a> {
    topic: &'a str,
    partition: i32,
    key: Option<&'a [u8]>,
    payload: Option<&'a [u8]>,
    headers: &'a mut Option<OwnedHeaders>,
}

impl<'a> Record<'a> {
    pub(crate) fn of_future<K, P>(record: &'a mut FutureRecord<'_, K, P>) -> Self
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        Self {
            topic: record.topic,
            partition: record.partition.unwrap_or(-1),
            key: record.key.map(ToBytes::to_bytes),
            payload: record.payload.map(ToBytes::to_bytes),
            headers: &mut record.headers,
        }
    }

    pub(crate) fn of_base<K, P, D>(record: &'a mut BaseRecord<'_, K, P, D>) -> Self
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
        D: IntoOpaque,
    {
        Self {
            topic: record.topic,
            partition: record.partition.unwrap_or(-1),
            key: record.key.map(ToBytes::to_bytes),
            payload: record.payload.map(ToBytes::to_bytes),
            headers: &mut record.headers,
        }
    }

    fn native_headers(&self) -> Option<HeaderList<'_>> {
        self.headers.as_ref().map(HeaderList::of_owned)
    }
}

impl Message for Record<'_> {
    fn destination(&self) -> Destination<'_> {
        destination(self.topic, self.partition)
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.native_headers()?.last(name)
    }

    fn header_names(&self) -> Vec<&str> {
        header_names(self.native_headers())
    }

    fn attributes<'a>(
        &'a self,
        _: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        if self.payload.is_none() {
            visit(semconv::MESSAGE_TOMBSTONE, true.into());
        }
    }

    fn key(&self) -> Option<&[u8]> {
        self.key
    }

    fn body_size(&self) -> Option<usize> {
        self.payload.map(<[u8]>::len)
    }

    fn envelope_size(&self) -> Option<usize> {
        Some(envelope_size(self.key, self.payload, self.native_headers()))
    }
}

impl OutgoingMessage for Record<'_> {
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected> {
        native::replace(self.headers, fields)
    }
}

/// Why a context is left out of a record that a [`Spare`] put back.
pub(crate) const TOO_LARGE: NotInjected =
    NotInjected::new("the record would be larger than message.max.bytes");

/// The headers as they were before a context was written into them, for a record so large that
/// the context may be what makes the client refuse it (rule R4).
pub(crate) enum Spare {
    Unneeded,
    Kept(Option<OwnedHeaders>),
}

/// No context is larger than this: a `traceparent`, and a `tracestate` and baggage at their limits.
const LARGEST_CONTEXT: usize = 32 * 1024;

impl Spare {
    /// `limit` is the client's `message.max.bytes`.
    pub(crate) fn of(record: &Record<'_>, limit: usize) -> Self {
        let size = record.key.map_or(0, <[u8]>::len) + record.payload.map_or(0, <[u8]>::len);
        // HeaderList are only measured where the rest says that it may matter.
        let near = |size: usize| size.saturating_add(LARGEST_CONTEXT) >= limit;
        let large = near(size)
            || record.headers.is_some() && near(record.envelope_size().unwrap_or_default());
        if large { Self::Kept(record.headers.clone()) } else { Self::Unneeded }
    }

    /// Whether the record was refused for its size and should be sent again with the headers that
    /// this puts back.
    pub(crate) fn restore(
        &mut self,
        error: &KafkaError,
        headers: &mut Option<OwnedHeaders>,
    ) -> bool {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::MessageSizeTooLarge) {
            return false;
        }
        match mem::replace(self, Self::Unneeded) {
            Self::Kept(spare) => {
                *headers = spare;
                true
            }
            Self::Unneeded => false,
        }
    }
}
