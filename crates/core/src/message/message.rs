//! What a client crate implements for its messages: where the facts are.

use std::{error::Error, fmt};

use crate::{Destination, OperationType};

/// Reads a message as its client holds it. Two methods are required; the others add facts.
///
/// No method may panic, whatever bytes the message holds.
pub trait Message {
    /// Returns where the message came from or goes to, with the partition where one is known.
    fn destination(&self) -> Destination<'_>;

    /// Returns the last value of the header called `name`, or `None` where there is none or it is
    /// null.
    fn header(&self, name: &str) -> Option<&[u8]>;

    /// Returns the last values of the headers called so, each as [`header`](Self::header) returns
    /// it. A client whose headers cost much to look at looks for all of them at once.
    #[inline]
    fn headers<const N: usize>(&self, names: [&str; N]) -> [Option<&[u8]>; N]
    where
        Self: Sized,
    {
        let mut values = [None; N];
        for (value, name) in values.iter_mut().zip(names) {
            *value = self.header(name);
        }
        values
    }

    /// Returns the names of all headers, for propagators that look for a prefix. A client may
    /// leave out names that are not UTF-8.
    fn header_names(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Calls `visit` with each attribute that this very message has in such an operation: offset,
    /// message id, tombstone. The core decides whether they belong on a span or, in a batch, on
    /// the message's link.
    fn attributes<'a>(
        &'a self,
        operation: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        let _ = (operation, visit);
    }

    /// Returns the key, which is recorded only when asked for.
    fn key(&self) -> Option<&[u8]> {
        None
    }

    /// Returns the size of the body in bytes, which is recorded only when asked for.
    fn body_size(&self) -> Option<usize> {
        None
    }

    /// Returns the size of the body and the metadata in bytes, which is recorded only when asked
    /// for.
    fn envelope_size(&self) -> Option<usize> {
        None
    }
}

/// Writes a context into the headers of a message that is about to be sent.
pub trait OutgoingMessage: Message {
    /// Makes each field the only header of its name, in whatever case it was spelled before, or
    /// removes the name where the field has no value. Every other header stays as it is: bytes,
    /// order, nulls, duplicates.
    ///
    /// # Errors
    /// Returns [`NotInjected`] if the headers cannot hold the fields; then the message is as it
    /// was.
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

/// Says why a context could not be written into a message's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotInjected {
    reason: &'static str,
}

impl NotInjected {
    /// Makes an error; `reason` is a short phrase for the diagnostic, such as `the header block
    /// would not fit`.
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

/// The value of an attribute, borrowed until a span keeps it.
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

#[cfg(feature = "otel")]
impl AttributeValue<'_> {
    #[inline]
    pub(crate) fn to_key_value(self, key: &'static str) -> opentelemetry::KeyValue {
        use opentelemetry::KeyValue;
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

/// Numbers past `i64::MAX` become that: attributes have no larger ones.
impl From<u64> for AttributeValue<'_> {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
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

impl<'a> From<&'a String> for AttributeValue<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CreationContext, Instrumenter};

    struct Plain;

    impl Message for Plain {
        fn destination(&self) -> Destination<'_> {
            Destination::new("orders").with_template("{shop}")
        }

        fn header(&self, _: &str) -> Option<&[u8]> {
            None
        }
    }

    #[test]
    fn a_message_says_nothing_unless_it_is_told_to() {
        assert_eq!(Plain.destination().template(), Some("{shop}"));
        assert_eq!((Plain.key(), Plain.body_size(), Plain.envelope_size()), (None, None, None));
        assert!(Plain.header_names().is_empty());
        Plain.attributes(OperationType::Send, &mut |key, _| panic!("it has {key}"));
        let stored = Instrumenter::disabled().restore("rows", CreationContext::NONE, "row");
        assert_eq!(stored.get_ref().header("traceparent"), None);
        assert_eq!(stored.get_ref().destination(), Destination::new("rows"));
    }

    #[test]
    fn numbers_past_the_limit_become_the_largest() {
        assert_eq!(AttributeValue::from(7_u64), AttributeValue::Int(7));
        assert_eq!(AttributeValue::from(u64::MAX), AttributeValue::Int(i64::MAX));
    }
}
