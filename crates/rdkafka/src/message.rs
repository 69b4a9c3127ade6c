//! Kafka messages that know the context they were created in.
//!
//! Mirrors [`rdkafka::message`]: the two message types stand under their own names.

use std::ops::{Deref, DerefMut};

use otel_messaging_core::{
    AsReceived, AttributeValue, Destination, Endpoint, OperationType, Received, process_methods,
};
use rdkafka::message as bare;
pub use rdkafka::message::*;

use crate::{native::HeaderList, semconv};

/// A message that borrows the consumer's memory: [`rdkafka::message::BorrowedMessage`] with its
/// creation context.
///
/// It dereferences to the client's own, and implements the client's [`Message`].
#[derive(Debug)]
pub struct BorrowedMessage<'a>(Received<Delivered<bare::BorrowedMessage<'a>>>);

impl<'a> BorrowedMessage<'a> {
    pub(crate) const fn new(received: Received<Delivered<bare::BorrowedMessage<'a>>>) -> Self {
        Self(received)
    }

    process_methods!();

    /// A copy that owns its memory and keeps the creation context.
    pub fn detach(&self) -> OwnedMessage {
        OwnedMessage(self.0.map_ref(|Delivered(message)| Delivered(message.detach())))
    }

    /// The client's own message.
    pub fn get_ref(&self) -> &bare::BorrowedMessage<'a> {
        &self.0.get_ref().0
    }

    pub(crate) fn get_mut(&mut self) -> &mut bare::BorrowedMessage<'a> {
        &mut self.0.get_mut().0
    }

    /// The client's own message, without the creation context.
    pub fn into_inner(self) -> bare::BorrowedMessage<'a> {
        self.0.into_inner().0
    }
}

impl<'a> Deref for BorrowedMessage<'a> {
    type Target = bare::BorrowedMessage<'a>;

    fn deref(&self) -> &Self::Target {
        self.get_ref()
    }
}

impl<'a> AsReceived for BorrowedMessage<'a> {
    type Message = Delivered<bare::BorrowedMessage<'a>>;

    fn as_received(&self) -> &Received<Self::Message> {
        &self.0
    }
}

/// A message that owns its memory: [`rdkafka::message::OwnedMessage`] with its creation context.
///
/// It dereferences to the client's own, and implements the client's [`Message`].
#[derive(Debug)]
pub struct OwnedMessage(Received<Delivered<bare::OwnedMessage>>);

impl OwnedMessage {
    /// A message made of its parts, as [`rdkafka::message::OwnedMessage::new`] makes it.
    pub fn new(
        payload: Option<Vec<u8>>,
        key: Option<Vec<u8>>,
        topic: String,
        timestamp: Timestamp,
        partition: i32,
        offset: i64,
        headers: Option<OwnedHeaders>,
    ) -> Self {
        bare::OwnedMessage::new(payload, key, topic, timestamp, partition, offset, headers).into()
    }

    /// A message that the client gave back.
    pub(crate) fn held(endpoint: &Endpoint, message: bare::OwnedMessage) -> Self {
        Self(endpoint.hold(Delivered(message)))
    }

    process_methods!();

    /// The client's own message.
    pub fn get_ref(&self) -> &bare::OwnedMessage {
        &self.0.get_ref().0
    }

    pub(crate) fn get_mut(&mut self) -> &mut bare::OwnedMessage {
        &mut self.0.get_mut().0
    }

    /// The client's own message, without the creation context.
    pub fn into_inner(self) -> bare::OwnedMessage {
        self.0.into_inner().0
    }

    /// The same with these headers. The creation context stays what it was.
    #[must_use = "this returns the changed message"]
    pub fn replace_headers(self, headers: Option<OwnedHeaders>) -> Self {
        self.map(|message| message.replace_headers(headers))
    }

    /// The same with this payload.
    #[must_use = "this returns the changed message"]
    pub fn set_payload(self, payload: Option<Vec<u8>>) -> Self {
        self.map(|message| message.set_payload(payload))
    }

    /// The same with this key.
    #[must_use = "this returns the changed message"]
    pub fn set_key(self, key: Option<Vec<u8>>) -> Self {
        self.map(|message| message.set_key(key))
    }

    /// The same for this topic.
    #[must_use = "this returns the changed message"]
    pub fn set_topic(self, topic: String) -> Self {
        self.map(|message| message.set_topic(topic))
    }

    /// The same with this timestamp.
    #[must_use = "this returns the changed message"]
    pub fn set_timestamp(self, timestamp: Timestamp) -> Self {
        self.map(|message| message.set_timestamp(timestamp))
    }

    /// The same for this partition.
    #[must_use = "this returns the changed message"]
    pub fn set_partition(self, partition: i32) -> Self {
        self.map(|message| message.set_partition(partition))
    }

    /// The same at this offset.
    #[must_use = "this returns the changed message"]
    pub fn set_offset(self, offset: i64) -> Self {
        self.map(|message| message.set_offset(offset))
    }

    fn map(self, change: impl FnOnce(bare::OwnedMessage) -> bare::OwnedMessage) -> Self {
        Self(self.0.map(|Delivered(message)| Delivered(change(message))))
    }
}

impl Clone for OwnedMessage {
    fn clone(&self) -> Self {
        Self(self.0.map_ref(|Delivered(message)| Delivered(message.clone())))
    }
}

/// The message belongs to no consumer: it has no creation context, and processing it is not
/// traced. [`BorrowedMessage::detach`] keeps what a received message has.
impl From<bare::OwnedMessage> for OwnedMessage {
    fn from(message: bare::OwnedMessage) -> Self {
        Self::held(&Endpoint::disabled(), message)
    }
}

impl Deref for OwnedMessage {
    type Target = bare::OwnedMessage;

    fn deref(&self) -> &Self::Target {
        self.get_ref()
    }
}

impl DerefMut for OwnedMessage {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.get_mut()
    }
}

impl AsReceived for OwnedMessage {
    type Message = Delivered<bare::OwnedMessage>;

    fn as_received(&self) -> &Received<Self::Message> {
        &self.0
    }
}

/// A message of the client's, as the core of the instrumentation reads it.
#[derive(Clone, Debug)]
pub struct Delivered<M>(pub(crate) M);

impl<M: Readable> otel_messaging_core::Message for Delivered<M> {
    fn destination(&self) -> Destination<'_> {
        destination(self.0.message().topic(), self.0.message().partition())
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.native_headers()?.last(name)
    }

    fn header_names(&self) -> Vec<&str> {
        header_names(self.0.native_headers())
    }

    fn attributes<'a>(
        &'a self,
        operation: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        visit(semconv::OFFSET, self.0.message().offset().into());
        if operation != OperationType::Settle && self.0.message().payload().is_none() {
            visit(semconv::MESSAGE_TOMBSTONE, true.into());
        }
    }

    fn key(&self) -> Option<&[u8]> {
        self.0.message().key()
    }

    fn body_size(&self) -> Option<usize> {
        self.0.message().payload().map(<[u8]>::len)
    }

    fn envelope_size(&self) -> Option<usize> {
        let message = self.0.message();
        Some(envelope_size(message.key(), message.payload(), self.0.native_headers()))
    }
}

/// The client's two messages, and a borrow of one.
pub(crate) trait Readable {
    type Message: Message;

    fn message(&self) -> &Self::Message;

    fn native_headers(&self) -> Option<HeaderList<'_>>;
}

impl<'a> Readable for bare::BorrowedMessage<'a> {
    type Message = bare::BorrowedMessage<'a>;

    fn message(&self) -> &Self::Message {
        self
    }

    fn native_headers(&self) -> Option<HeaderList<'_>> {
        HeaderList::of(self)
    }
}

impl Readable for bare::OwnedMessage {
    type Message = Self;

    fn message(&self) -> &Self::Message {
        self
    }

    fn native_headers(&self) -> Option<HeaderList<'_>> {
        self.headers().map(HeaderList::of_owned)
    }
}

impl<M: Readable> Readable for &M {
    type Message = M::Message;

    fn message(&self) -> &Self::Message {
        (*self).message()
    }

    fn native_headers(&self) -> Option<HeaderList<'_>> {
        (*self).native_headers()
    }
}

pub(crate) fn destination(topic: &str, partition: i32) -> Destination<'_> {
    let destination = Destination::new(topic);
    // A negative partition means that the client or the cluster chooses.
    u32::try_from(partition).map_or(destination, |id| destination.with_partition(id))
}

pub(crate) fn header_names(headers: Option<HeaderList<'_>>) -> Vec<&str> {
    headers.map(|headers| headers.names().collect()).unwrap_or_default()
}

/// Key, payload and headers; not the framing, which depends on the protocol's version.
pub(crate) fn envelope_size(
    key: Option<&[u8]>,
    payload: Option<&[u8]>,
    headers: Option<HeaderList<'_>>,
) -> usize {
    key.map_or(0, <[u8]>::len)
        + payload.map_or(0, <[u8]>::len)
        + headers.map_or(0, HeaderList::size)
}
