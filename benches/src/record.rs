//! Defines the message of all benchmarks.

use opentelemetry::propagation::{Extractor, Injector};
use otel_messaging_core::{
    Destination, OperationType,
    client::{AttributeValue, Field, Message, NotInjected, OutgoingMessage},
};

/// The destination of all records.
pub const DESTINATION: &str = "orders";
/// The partition of all records.
pub const PARTITION: u32 = 3;
/// The attribute that differs between records.
pub const OFFSET: &str = "messaging.kafka.offset";

/// A message of the topic [`DESTINATION`]. It stores its headers in place.
#[derive(Clone, Debug, Default)]
pub struct Record {
    headers: Headers,
    offset: Option<i64>,
}

impl Record {
    /// Makes a record as a producer does, without headers.
    pub fn outgoing() -> Self {
        Self::default()
    }

    /// Makes a record as a consumer receives it, with the context of a sampled span.
    pub fn incoming() -> Self {
        let mut record = Self::default();
        record
            .headers
            .put("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        record
    }

    /// Sets the attribute [`OFFSET`].
    #[must_use = "this returns the record with the offset"]
    pub fn with_offset(self, offset: i64) -> Self {
        Self { offset: Some(offset), ..self }
    }

    /// Makes this number of incoming records, each with its own offset if `with_offset` is set.
    pub fn incoming_batch(messages: usize, with_offset: bool) -> Vec<Self> {
        let offsets = (0_i64..).map(|offset| with_offset.then_some(offset));
        offsets.take(messages).map(|offset| Self { offset, ..Self::incoming() }).collect()
    }

    /// Returns the attribute [`OFFSET`], if it is set.
    pub const fn offset(&self) -> Option<i64> {
        self.offset
    }

    /// Returns the headers.
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Returns the headers, to write to them.
    pub const fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }
}

impl Message for Record {
    fn destination(&self) -> Destination<'_> {
        Destination::new(DESTINATION).with_partition(PARTITION)
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.find(name)
    }

    fn attributes<'a>(
        &'a self,
        operation: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        if operation != OperationType::Send
            && let Some(offset) = self.offset
        {
            visit(OFFSET, offset.into());
        }
    }
}

impl OutgoingMessage for Record {
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected> {
        for field in fields {
            self.headers.remove(field.name);
            if let Some(value) = field.value {
                self.headers.put(field.name, value);
            }
        }
        Ok(())
    }
}

/// A record that the consumer owns and the application borrows.
#[derive(Clone, Copy, Debug)]
pub struct Borrowed<'a>(pub &'a Record);

impl Message for Borrowed<'_> {
    fn destination(&self) -> Destination<'_> {
        self.0.destination()
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.header(name)
    }

    fn attributes<'a>(
        &'a self,
        operation: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        self.0.attributes(operation, visit);
    }
}

const MAX_HEADERS: usize = 3;
const MAX_NAME: usize = 16;
const MAX_VALUE: usize = 64;

/// Up to three headers, stored in place. All three instrumentations inject into them. A header that
/// does not fit panics, as it is a mistake in a benchmark.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    all: [Header; MAX_HEADERS],
    length: usize,
}

impl Headers {
    /// Removes all headers.
    pub const fn clear(&mut self) {
        self.length = 0;
    }

    /// Returns the headers in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all[..self.length].iter().map(|header| (header.name.as_str(), header.value.as_str()))
    }

    /// Adds a header.
    ///
    /// # Panics
    /// If there is no room for it.
    pub fn put(&mut self, name: &str, value: &str) {
        let header = &mut self.all[self.length];
        header.name.set(name);
        header.value.set(value);
        self.length += 1;
    }

    /// Returns the value of the header called `name`.
    pub fn find(&self, name: &str) -> Option<&[u8]> {
        self.position(name).map(|index| self.all[index].value.as_bytes())
    }

    fn remove(&mut self, name: &str) {
        if let Some(index) = self.position(name) {
            self.all[index..self.length].rotate_left(1);
            self.length -= 1;
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.all[..self.length].iter().position(|header| header.name.as_bytes() == name.as_bytes())
    }
}

impl Injector for Headers {
    fn set(&mut self, name: &str, value: String) {
        self.remove(name);
        self.put(name, &value);
    }
}

impl Extractor for Headers {
    fn get(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.find(name)?).ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.iter().map(|(name, _)| name).collect()
    }
}

#[derive(Clone, Debug, Default)]
struct Header {
    name: Text<MAX_NAME>,
    value: Text<MAX_VALUE>,
}

#[derive(Clone, Debug)]
struct Text<const CAPACITY: usize> {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl<const CAPACITY: usize> Text<CAPACITY> {
    fn set(&mut self, text: &str) {
        self.bytes[..text.len()].copy_from_slice(text.as_bytes());
        self.length = text.len();
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl<const CAPACITY: usize> Default for Text<CAPACITY> {
    fn default() -> Self {
        Self { bytes: [0; CAPACITY], length: 0 }
    }
}
