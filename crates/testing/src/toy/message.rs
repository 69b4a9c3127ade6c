//! Where the facts of a message are, for the core.

use std::ops::Deref;

use otel_messaging_core::{
    AsReceived, Destination, OperationType, Received,
    client::{self, AttributeValue, Field, NotInjected, OutgoingMessage, process_methods},
};

use super::Record;

/// An attribute that only this system has: the place of a message in its partition.
pub const OFFSET: &str = "messaging.toy.offset";
/// The attribute for a message's key, which is recorded only when asked for.
pub const KEY: &str = "messaging.toy.message.key";
/// The most headers that a record has room for: with every client, something cannot be injected
/// into.
pub const MAX_HEADERS: usize = 200_000;

/// A message as the application gets it: a local type, because only a local type can have methods
/// of its own and implement the client's traits. It dereferences to the client's own record.
#[derive(Debug)]
pub struct Message(pub(super) Received<Record>);

impl Message {
    // `process`, `process_with` and so on.
    process_methods!();
}

impl Deref for Message {
    type Target = Record;

    fn deref(&self) -> &Record {
        self.0.get_ref()
    }
}

/// Lets it be a member of a `Batch`.
impl AsReceived for Message {
    type Message = Record;

    fn as_received(&self) -> &Received<Record> {
        &self.0
    }
}

/// Two methods are required; the others add facts.
impl client::Message for Record {
    /// Says what a name is like; the core decides what may become a label.
    fn destination(&self) -> Destination<'_> {
        let destination = Destination::new(&self.topic);
        let destination = match self.topic.split_once('.') {
            Some(("_inbox", _)) => destination.temporary(),
            Some(("_gen", _)) => destination.anonymous(),
            _ => destination,
        };
        self.partition.map_or(destination, |partition| destination.with_partition(partition))
    }

    /// Returns a reference, so that reading a context copies nothing.
    fn header(&self, name: &str) -> Option<&[u8]> {
        let header = self.headers.iter().rfind(|(other, _)| other == name);
        header.and_then(|(_, value)| value.as_deref())
    }

    /// The core puts it on the span, or on the message's link where it differs.
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
    /// Replaces rather than appends, in whatever case the name was written.
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
