//! Where the facts of a message are.

use std::ops::Deref;

use otel_messaging_core::{
    AsReceived, AttributeValue, Destination, Field, NotInjected, OperationType, OutgoingMessage,
    Received, process_methods,
};

use super::Record;

/// What only this system knows: an attribute for the place of a message in its partition.
pub const OFFSET: &str = "messaging.toy.offset";
/// The attribute for a message's key, which is recorded only when asked for (rule R21).
pub const KEY: &str = "messaging.toy.message.key";
/// More headers do not fit: with every client there is something that cannot be injected into.
pub const MAX_HEADERS: usize = 200_000;

/// What the application gets: a local type, because only a local type can have methods of its own
/// and implement the client's traits. It is the client's own record in every other respect.
#[derive(Debug)]
pub struct Message(pub(super) Received<Record>);

impl Message {
    // `process`, `process_with` and their kin (rule R12).
    process_methods!();
}

impl Deref for Message {
    type Target = Record;

    fn deref(&self) -> &Record {
        self.0.get_ref()
    }
}

/// With this it may be a member of a `Batch`.
impl AsReceived for Message {
    type Message = Record;

    fn as_received(&self) -> &Received<Record> {
        &self.0
    }
}

/// Two methods are required; the others have facts to add.
impl otel_messaging_core::Message for Record {
    /// The one place that says what a name is like. What may become a label is decided by the core
    /// (rule R20).
    fn destination(&self) -> Destination<'_> {
        let destination = Destination::new(&self.topic);
        let destination = match self.topic.split_once('.') {
            Some(("_inbox", _)) => destination.temporary(),
            Some(("_gen", _)) => destination.anonymous(),
            _ => destination,
        };
        self.partition.map_or(destination, |partition| destination.with_partition(partition))
    }

    /// By reference: reading a context copies nothing.
    fn header(&self, name: &str) -> Option<&[u8]> {
        let header = self.headers.iter().rfind(|(other, _)| other == name);
        header.and_then(|(_, value)| value.as_deref())
    }

    /// The core puts it on the span, or on the message's link where it varies (rule R14).
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
    /// Replaces rather than appends, and touches nothing else (rule R3).
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected> {
        if self.headers.len() + fields.len() > MAX_HEADERS {
            return Err(NotInjected::new("there are too many headers")); // rule R4
        }
        self.headers.retain(|(name, _)| fields.iter().all(|field| field.name != name));
        for Field { name, value } in fields {
            let value = value.map(|value| ((*name).to_owned(), Some(value.into())));
            self.headers.extend(value);
        }
        Ok(())
    }
}
