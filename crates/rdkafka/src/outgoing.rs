//! A record on its way into the producer.

use otel_messaging_core::{
    Destination, Instrumenter, OperationType,
    client::{AttributeValue, Field, Message, NotInjected, OutgoingMessage},
};
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    message::{OwnedHeaders, ToBytes},
    producer::{BaseRecord, FutureRecord},
    util::IntoOpaque,
};

use crate::{
    headers::Replacement,
    message::{destination, envelope_size},
    native::HeaderList,
    semconv,
};

/// What the client's two records have in common.
pub(crate) trait Record {
    fn topic(&self) -> &str;
    fn partition(&self) -> Option<i32>;
    fn key(&self) -> Option<&[u8]>;
    fn payload(&self) -> Option<&[u8]>;
    fn headers(&self) -> Option<&OwnedHeaders>;
    fn headers_mut(&mut self) -> &mut Option<OwnedHeaders>;
}

macro_rules! record {
    ([$($generics:tt)*] $record:ty) => {
        impl<$($generics)*> Record for $record
        where
            K: ToBytes + ?Sized,
            P: ToBytes + ?Sized,
        {
            fn topic(&self) -> &str {
                self.topic
            }

            fn partition(&self) -> Option<i32> {
                self.partition
            }

            fn key(&self) -> Option<&[u8]> {
                self.key.map(ToBytes::to_bytes)
            }

            fn payload(&self) -> Option<&[u8]> {
                self.payload.map(ToBytes::to_bytes)
            }

            fn headers(&self) -> Option<&OwnedHeaders> {
                self.headers.as_ref()
            }

            fn headers_mut(&mut self) -> &mut Option<OwnedHeaders> {
                &mut self.headers
            }
        }
    };
}

record!([K, P] FutureRecord<'_, K, P>);
record!([K, P, D: IntoOpaque] BaseRecord<'_, K, P, D>);

/// A record that is being sent. It is handed over with its context, or without where the context
/// makes it too large.
pub(crate) struct Outgoing<R> {
    pub(crate) record: R,
    /// The client's `message.max.bytes`.
    size_limit: usize,
    backup: HeadersBackup,
}

/// The headers as they were before a context was written into them.
enum HeadersBackup {
    /// The record has room for the context.
    Unneeded,
    Kept(Option<OwnedHeaders>),
}

/// What the protocol adds to key, payload and headers, at most: some 40 bytes.
const RECORD_OVERHEAD: usize = 100;

impl<R: Record> Outgoing<R> {
    pub(crate) const fn new(record: R, size_limit: usize) -> Self {
        Self { record, size_limit, backup: HeadersBackup::Unneeded }
    }

    /// Gives the record to the client by `send`, which returns a record that the client refuses.
    /// A record that is refused for its size is given again as it was before.
    pub(crate) fn hand_over<T>(
        mut self,
        instrumenter: &Instrumenter,
        send: impl Fn(R) -> Result<T, (KafkaError, R)>,
    ) -> Result<T, (KafkaError, Self)> {
        loop {
            let error;
            match send(self.record) {
                Ok(taken) => return Ok(taken),
                Err(refused) => (error, self.record) = refused,
            }
            let is_too_large =
                error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge);
            let HeadersBackup::Kept(headers) = &mut self.backup else { return Err((error, self)) };
            if !is_too_large {
                return Err((error, self));
            }
            *self.record.headers_mut() = headers.take();
            self.backup = HeadersBackup::Unneeded;
            let reason = "the record would be larger than message.max.bytes";
            instrumenter.report_not_injected(NotInjected::new(reason));
        }
    }

    /// Puts the record into another form.
    pub(crate) fn map<S>(self, form: impl FnOnce(R) -> S) -> Outgoing<S> {
        let Self { record, size_limit, backup } = self;
        Outgoing { record: form(record), size_limit, backup }
    }

    fn native_headers(&self) -> Option<HeaderList<'_>> {
        self.record.headers().map(HeaderList::of_owned)
    }

    fn size_without_headers(&self) -> usize {
        self.record.key().map_or(0, <[u8]>::len) + self.record.payload().map_or(0, <[u8]>::len)
    }
}

impl<R: Record> Message for Outgoing<R> {
    fn destination(&self) -> Destination<'_> {
        destination(self.record.topic(), self.record.partition().unwrap_or(-1))
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.native_headers()?.value(name)
    }

    fn header_names(&self) -> Vec<&str> {
        self.native_headers().map(|headers| headers.names().collect()).unwrap_or_default()
    }

    fn attributes<'a>(
        &'a self,
        _: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        if self.record.payload().is_none() {
            visit(semconv::MESSAGE_TOMBSTONE, true.into());
        }
    }

    fn key(&self) -> Option<&[u8]> {
        self.record.key()
    }

    fn body_size(&self) -> Option<usize> {
        self.record.payload().map(<[u8]>::len)
    }

    fn envelope_size(&self) -> Option<usize> {
        Some(envelope_size(self.record.key(), self.record.payload(), self.native_headers()))
    }
}

impl<R: Record> OutgoingMessage for Outgoing<R> {
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected> {
        let replacement = Replacement::plan(self.record.headers(), fields)?;
        // The plan has looked at all headers, so that their size costs nothing more.
        if self.size_without_headers() + replacement.size() + RECORD_OVERHEAD > self.size_limit {
            self.backup = HeadersBackup::Kept(self.record.headers().cloned());
        }
        replacement.apply(self.record.headers_mut());
        Ok(())
    }
}
