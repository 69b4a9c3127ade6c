//! Received messages, with the context they were created in.
//!
//! Mirrors [`rdkafka::message`] with instrumented message types under the client's own names.
//!
//! A message can be made from the client's own, to test a handler or to process what another
//! library received:
//!
//! ```
//! use otel_messaging_rdkafka as rdkafka;
//! use rdkafka::{Message, Timestamp, bare, message::OwnedMessage};
//!
//! async fn bill(order: &OwnedMessage) -> Result<(), std::fmt::Error> {
//!     assert_eq!(order.payload(), Some(&b"7 apples"[..]));
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (payload, topic) = (Some(b"7 apples".to_vec()), "orders".to_owned());
//! let order =
//!     bare::message::OwnedMessage::new(payload, None, topic, Timestamp::now(), 0, 0, None);
//! let order = OwnedMessage::from(order);
//! assert_eq!(order.process(bill(&order)).await, Ok(()));
//! # }
//! ```

use std::ops::{Deref, DerefMut};

use otel_messaging_core::{
    AsReceived, Destination, Instrumenter, OperationType, Received, client,
    client::{AttributeValue, Clock, process_methods},
};
use rdkafka::message as bare;
pub use rdkafka::message::*;

use crate::{native::HeaderList, semconv, server};

/// Defines what both message types have in common.
macro_rules! message {
    ([$($lifetime:lifetime)?] $message:ident, $bare:ty) => {
        impl$(<$lifetime>)? $message$(<$lifetime>)? {
            /// Wraps the client's own message, and reads its creation context. Its telemetry is
            /// that of `instrumenter`, which
            /// [`Instrumented::instrumenter`](crate::Instrumented::instrumenter) returns.
            ///
            /// The message is counted as consumed when it is processed. `From` does the same with
            /// the default instrumentation, without what is known of a consumer.
            #[inline]
            pub fn from_bare(message: $bare, instrumenter: &Instrumenter) -> Self {
                Self(instrumenter.extract(Delivered(message)))
            }

            process_methods!();

            /// Returns the client's own message.
            pub const fn get_ref(&self) -> &$bare {
                &self.0.get_ref().0
            }

            pub(crate) const fn get_mut(&mut self) -> &mut $bare {
                &mut self.0.get_mut().0
            }

            /// Returns the client's own message, without the creation context.
            pub fn into_inner(self) -> $bare {
                self.0.into_inner().0
            }
        }

        /// Wraps a message with the default instrumentation.
        impl$(<$lifetime>)? From<$bare> for $message$(<$lifetime>)? {
            fn from(message: $bare) -> Self {
                Self::from_bare(message, server::unknown())
            }
        }

        impl$(<$lifetime>)? Deref for $message$(<$lifetime>)? {
            type Target = $bare;

            fn deref(&self) -> &Self::Target {
                self.get_ref()
            }
        }

        impl$(<$lifetime>)? AsReceived for $message$(<$lifetime>)? {
            type Message = Delivered<$bare>;

            fn as_received(&self) -> &Received<Self::Message> {
                &self.0
            }
        }
    };
}

/// A message that borrows the consumer's memory: [`rdkafka::message::BorrowedMessage`] with its
/// creation context.
///
/// It dereferences to the client's own, and implements the client's [`Message`].
///
/// ```
/// # use otel_messaging_rdkafka as rdkafka;
/// use rdkafka::{bare, consumer::StreamConsumer, message::BorrowedMessage};
///
/// /// Receives through the client's own consumer, and processes as usual.
/// async fn receive(consumer: &StreamConsumer) -> rdkafka::error::KafkaResult<()> {
///     let message: bare::message::BorrowedMessage<'_> = consumer.get_ref().recv().await?;
///     let message = BorrowedMessage::from_bare(message, consumer.instrumenter());
///     message.process(async { /* work */ }).await;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct BorrowedMessage<'a>(Received<Delivered<bare::BorrowedMessage<'a>>>);

message!(['a] BorrowedMessage, bare::BorrowedMessage<'a>);

impl<'a> BorrowedMessage<'a> {
    /// Wraps a message that a call which began at `clock` handed over, with its receive span.
    #[inline]
    pub(crate) fn received(
        message: bare::BorrowedMessage<'a>,
        instrumenter: &Instrumenter,
        clock: Clock,
    ) -> Self {
        Self(instrumenter.receive(semconv::POLL, clock, Delivered(message)))
    }

    /// Copies the message into memory of its own. Both are the same message: it is counted as
    /// consumed once.
    pub fn detach(&self) -> OwnedMessage {
        OwnedMessage(self.0.map_ref(|Delivered(message)| Delivered(message.detach())))
    }
}

/// A message that owns its memory: [`rdkafka::message::OwnedMessage`] with its creation context.
///
/// It dereferences to the client's own, and implements the client's [`Message`].
#[derive(Debug)]
pub struct OwnedMessage(Received<Delivered<bare::OwnedMessage>>);

message!([] OwnedMessage, bare::OwnedMessage);

impl OwnedMessage {
    /// Makes a message of its parts, as [`rdkafka::message::OwnedMessage::new`] does.
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

    /// Returns the message with these headers. The creation context stays what it was.
    #[must_use = "this returns the changed message"]
    pub fn replace_headers(self, headers: Option<OwnedHeaders>) -> Self {
        self.map(|message| message.replace_headers(headers))
    }

    /// Returns the message with this payload.
    #[must_use = "this returns the changed message"]
    pub fn set_payload(self, payload: Option<Vec<u8>>) -> Self {
        self.map(|message| message.set_payload(payload))
    }

    /// Returns the message with this key.
    #[must_use = "this returns the changed message"]
    pub fn set_key(self, key: Option<Vec<u8>>) -> Self {
        self.map(|message| message.set_key(key))
    }

    /// Returns the message with this topic.
    #[must_use = "this returns the changed message"]
    pub fn set_topic(self, topic: String) -> Self {
        self.map(|message| message.set_topic(topic))
    }

    /// Returns the message with this timestamp.
    #[must_use = "this returns the changed message"]
    pub fn set_timestamp(self, timestamp: Timestamp) -> Self {
        self.map(|message| message.set_timestamp(timestamp))
    }

    /// Returns the message with this partition.
    #[must_use = "this returns the changed message"]
    pub fn set_partition(self, partition: i32) -> Self {
        self.map(|message| message.set_partition(partition))
    }

    /// Returns the message with this offset.
    #[must_use = "this returns the changed message"]
    pub fn set_offset(self, offset: i64) -> Self {
        self.map(|message| message.set_offset(offset))
    }

    fn map(self, change: impl FnOnce(bare::OwnedMessage) -> bare::OwnedMessage) -> Self {
        Self(self.0.map(|Delivered(message)| Delivered(change(message))))
    }
}

/// Copies the message. Both are the same message: it is counted as consumed once.
impl Clone for OwnedMessage {
    fn clone(&self) -> Self {
        Self(self.0.map_ref(Delivered::clone))
    }
}

impl DerefMut for OwnedMessage {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.get_mut()
    }
}

/// The client's own message, as the core of the instrumentation reads it.
#[derive(Clone, Debug)]
pub struct Delivered<M>(pub(crate) M);

impl<M: Readable> client::Message for Delivered<M> {
    fn destination(&self) -> Destination<'_> {
        destination(self.0.message().topic(), self.0.message().partition())
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.native_headers()?.value(name)
    }

    fn headers<const N: usize>(&self, names: [&str; N]) -> [Option<&[u8]>; N] {
        self.0.native_headers().map_or([None; N], |headers| headers.values(names))
    }

    fn header_names(&self) -> Vec<&str> {
        self.0.native_headers().map(|headers| headers.names().collect()).unwrap_or_default()
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

/// The client's two messages, and a reference to one.
pub(crate) trait Readable {
    fn message(&self) -> &impl Message;

    fn native_headers(&self) -> Option<HeaderList<'_>>;
}

impl Readable for bare::BorrowedMessage<'_> {
    fn message(&self) -> &impl Message {
        self
    }

    fn native_headers(&self) -> Option<HeaderList<'_>> {
        HeaderList::of(self)
    }
}

impl Readable for bare::OwnedMessage {
    fn message(&self) -> &impl Message {
        self
    }

    fn native_headers(&self) -> Option<HeaderList<'_>> {
        self.headers().map(HeaderList::of_owned)
    }
}

impl<M: Readable> Readable for &M {
    fn message(&self) -> &impl Message {
        M::message(self)
    }

    fn native_headers(&self) -> Option<HeaderList<'_>> {
        M::native_headers(self)
    }
}

pub(crate) fn destination(topic: &str, partition: i32) -> Destination<'_> {
    let destination = Destination::new(topic);
    // A negative partition means that the client or the cluster chooses.
    u32::try_from(partition).map_or(destination, |id| destination.with_partition(id))
}

/// Returns the size of key, payload and headers in bytes. It leaves out the framing, which depends
/// on the protocol's version.
pub(crate) fn envelope_size(
    key: Option<&[u8]>,
    payload: Option<&[u8]>,
    headers: Option<HeaderList<'_>>,
) -> usize {
    key.map_or(0, <[u8]>::len)
        + payload.map_or(0, <[u8]>::len)
        + headers.map_or(0, HeaderList::size)
}
