//! What a client crate implements for its messages: where the facts are.

use std::{error::Error, fmt};

use opentelemetry::{Array, KeyValue, StringValue, Value};

use crate::{Destination, OperationType};

/// A message as its client holds it. Two methods are required; the others have facts to add.
///
/// Nothing here may panic, whatever bytes the message holds (rule R4).
pub trait Message {
    /// Where the message came from or goes to, with the partition where one is known.
    fn destination(&self) -> Destination<'_>;

    /// The last value of the header called `name`, or `None` where there is none or it is null.
    fn header(&self, name: &str) -> Option<&[u8]>;

    /// The names of all headers, for propagators that look for a prefix. A client may leave out
    /// names that are not text.
    fn header_names(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Tells `visit` the attributes that this very message has in such an operation: offset,
    /// message id, tombstone. The core decides whether they belong on a span or, in a batch, on a
    /// link (rule R14).
    fn attributes<'a>(
        &'a self,
        operation: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        let _ = (operation, visit);
    }

    /// The key, which is recorded only when asked for (rule R21).
    fn key(&self) -> Option<&[u8]> {
        None
    }

    /// The size of the body in bytes, recorded only when asked for.
    fn body_size(&self) -> Option<usize> {
        None
    }

    /// The size of the body and the metadata in bytes, recorded only when asked for.
    fn envelope_size(&self) -> Option<usize> {
        None
    }
}

/// A message that is about to be sent, into whose headers a context can be written.
pub trait OutgoingMessage: Message {
    /// Makes each field the only value of its name, or removes the name where the field has no
    /// value. Every other header stays as it is: bytes, order, nulls, duplicates (rule R3).
    ///
    /// # Errors
    /// [`NotInjected`] if the headers cannot hold the fields; then the message is as it was (R4).
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected>;
}

/// A header to be written, or removed if it has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The header's name.
    pub name: &'a str,
    /// Its new value; `None` removes the header.
    pub value: Option<&'a str>,
}

/// A context could not be written into a message's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotInjected {
    reason: &'static str,
}

impl NotInjected {
    /// `reason` is a short phrase for the diagnostic, such as `the header block would not fit`.
    pub const fn new(reason: &'static str) -> Self {
        Self { reason }
    }
}

impl fmt::Display for NotInjected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl Error for NotInjected {}

/// The value of a message's attribute, borrowed until somebody wants to keep it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum AttributeValue<'a> {
    /// A number.
    Int(i64),
    /// A flag.
    Bool(bool),
    /// A text.
    Text(&'a str),
}

impl AttributeValue<'_> {
    pub(crate) fn to_key_value(self, key: &'static str) -> KeyValue {
        match self {
            Self::Int(value) => KeyValue::new(key, value),
            Self::Bool(value) => KeyValue::new(key, value),
            Self::Text(value) => KeyValue::new(key, value.to_owned()),
        }
    }
}

impl From<i64> for AttributeValue<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for AttributeValue<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<'a> From<&'a str> for AttributeValue<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

/// The value of a captured header: always a list, as headers may repeat.
pub(crate) fn header_value(value: &str) -> Value {
    Value::Array(Array::String(vec![StringValue::from(value.to_owned())]))
}
