//! Tells the core where a message has its destination, headers and attributes.

use std::ops::Deref;

use otel_messaging_core::{
    AsReceived, Destination, OperationType, Received,
    client::{self, AttributeValue, Field, NotInjected, OutgoingMessage, process_methods},
};

use super::Record;

/// The attribute for the offset of a message. Only this system has it.
pub const OFFSET: &str = "messaging.toy.offset";
/// The attribute for a message's key, which is recorded only if the application enables it.
pub const KEY: &str = "messaging.toy.message.key";
/// The maximum number of headers of a record. It makes injection fail, as it can with real clients.
pub const MAX_HEADERS: usize = 200_000;

/// A received message. It dereferences to the client's own record. It is a local type, so that it
/// can have inherent methods and implement traits of the client.
#[derive(Debug)]
pub struct Message(pub(super) Received<Record>);

impl Message {
    // Adds `process`, `process_with` and the other forms.
    process_methods!();
}

impl Deref for Message {
    type Target = Record;

    fn deref(&self) -> &Record {
        self.0.get_ref()
    }
}

/// Allows the message in a `Batch`.
impl AsReceived for Message {
    type Message = Record;

    fn as_received(&self) -> &Received<Record> {
        &self.0
    }
}

/// Requires `destination` and `header`. The other methods add attributes.
impl client::Message for Record {
    /// Describes the destination. The core decides whether span names and metrics contain it.
    fn destination(&self) -> Destination<'_> {
        let destination = Destination::new(&self.topic);
        let destination = match self.topic.split_once('.') {
            Some(("_inbox", _)) => destination.temporary(),
            Some(("_gen", _)) => destination.anonymous(),
            _ => destination,
        };
        self.partition.map_or(destination, |partition| destination.with_partition(partition))
    }

    /// Returns a reference, so that the core can read a context without a copy.
    fn header(&self, name: &str) -> Option<&[u8]> {
        let header = self.headers.iter().rfind(|(other, _)| other == name);
        header.and_then(|(_, value)| value.as_deref())
    }

    /// Adds the offset. The core sets it on the span, or on the message's link in a batch.
    fn attributes<'a>(
        &'a self,
        _: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        self.offset.into_iter().for_each(|offset| visit(OFFSET, offset.into()));
    }

    fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    fn body_size(&self) -> Option<usize> {
        Some(self.body.len())
    }
}

impl OutgoingMessage for Record {
    /// Replaces headers instead of appending, and ignores the case of their names.
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected> {
        if self.headers.len() + fields.len() > MAX_HEADERS {
            return Err(NotInjected::new("there are too many headers"));
        }
        self.headers
            .retain(|(name, _)| !fields.iter().any(|field| field.name.eq_ignore_ascii_case(name)));
        for Field { name, value } in fields {
            let value = value.map(|value| ((*name).to_owned(), Some(value.into())));
            self.headers.extend(value);
        }
        Ok(())
    }
}
