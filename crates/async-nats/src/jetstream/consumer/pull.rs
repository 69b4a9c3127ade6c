//! Pull-based consumers.
//!
//! Mirrors [`async_nats::jetstream::consumer::pull`].

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

pub use ::async_nats::jetstream::consumer::pull::*;
use ::async_nats::jetstream::consumer::{StreamError, pull as bare};
use otel_messaging_core::{self as otel, client::Clock};

use super::{Consumer, Message, ask};
use crate::{consumer::Incoming, server::Connection};

/// Messages of one request, after which the stream ends.
pub type Batch = Incoming<bare::Batch>;
/// Messages of a pull consumer, which are asked for again and again.
pub type Stream = Incoming<bare::Stream>;
/// Messages of an ordered pull consumer.
pub type Ordered = Incoming<bare::Ordered>;

impl Consumer<Config> {
    /// Returns a stream of messages, which are asked for again and again.
    ///
    /// Cancel safety: may be dropped and called again.
    ///
    /// # Errors
    /// Returns the client's error unchanged, with a failed receive span.
    pub async fn messages(&self) -> Result<Stream, StreamError> {
        ask(&self.connection, self.bare.messages()).await
    }

    /// Makes a builder of a stream of messages.
    pub fn stream(&self) -> StreamBuilder<'_> {
        StreamBuilder { bare: self.bare.stream(), connection: &self.connection }
    }

    /// Makes a builder of a request for the messages that are there.
    pub fn fetch(&self) -> FetchBuilder<'_> {
        FetchBuilder { bare: self.bare.fetch(), connection: &self.connection }
    }

    /// Makes a builder of a request that waits for messages.
    pub fn batch(&self) -> BatchBuilder<'_> {
        BatchBuilder { bare: self.bare.batch(), connection: &self.connection }
    }

    /// Returns a stream of requests for `batch` messages each.
    ///
    /// # Errors
    /// Returns the client's error unchanged.
    pub fn sequence(&self, batch: usize) -> Result<Sequence, BatchError> {
        let bare = self.bare.sequence(batch)?;
        Ok(Sequence { bare, connection: self.connection.clone(), clock: None })
    }
}

impl Consumer<OrderedConfig> {
    /// Returns a stream of all messages in their order.
    ///
    /// Cancel safety: may be dropped.
    ///
    /// # Errors
    /// Returns the client's error unchanged, with a failed receive span.
    pub async fn messages(self) -> Result<Ordered, StreamError> {
        ask(&self.connection, self.bare.messages()).await
    }
}

impl Batch {
    /// Collects all messages of the request as one batch: ONE receive span, which covers the
    /// request and links to every message's creation context. Without messages the batch is empty,
    /// and there is no span.
    ///
    /// An error after the first message ends the batch, and has a failed receive span.
    ///
    /// Cancel safety: what was received is dropped with the future, and delivered again if the
    /// consumer acknowledges messages; [`batches`](Self::batches) keeps it.
    ///
    /// # Errors
    /// Returns the client's error unchanged, if there is no message.
    pub async fn into_batch(mut self) -> Result<otel::Batch<Message>, ::async_nats::Error> {
        let mut batches = self.batches(usize::MAX, Duration::MAX);
        let Some(batch) = batches.next().await else { return Ok(Vec::new().into()) };
        let batch = batch?;
        // An error that ended the batch has its span.
        drop(batches.next().await);
        Ok(batch)
    }
}

/// Defines a builder of the client's: its setters, and the stream that it makes.
macro_rules! builder {
    ($name:ident -> $stream:ident, $error:ty {
        $($(#[$meta:meta])* $setter:ident: $type:ty,)*
    }) => {
        #[doc = concat!("The client's [`", stringify!($name), "`](bare::", stringify!($name), "), instrumented.")]
        #[must_use = "a builder does nothing until `messages` is called"]
        pub struct $name<'a> {
            bare: bare::$name<'a>,
            connection: &'a Connection,
        }

        impl $name<'_> {
            $(
                /// Sets the client's option of this name.
                $(#[$meta])*
                pub fn $setter(mut self, value: $type) -> Self {
                    self.bare = self.bare.$setter(value);
                    self
                }
            )*

            /// Asks for the messages.
            ///
            /// Cancel safety: may be dropped; what is delivered all the same is delivered again if the
            /// consumer acknowledges messages.
            ///
            /// # Errors
            /// Returns the client's error unchanged, with a failed receive span.
            pub async fn messages(self) -> Result<$stream, $error> {
                ask(self.connection, self.bare.messages()).await
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

builder! {
    StreamBuilder -> Stream, StreamError {
        max_bytes_per_batch: usize,
        max_messages_per_batch: usize,
        heartbeat: Duration,
        expires: Duration,
        min_pending: usize,
        min_ack_pending: usize,
        group: impl Into<String>,
        #[cfg(feature = "server_2_12")]
        priority: usize,
    }
}

builder! {
    FetchBuilder -> Batch, BatchError {
        max_bytes: usize,
        max_messages: usize,
        heartbeat: Duration,
        expires: Duration,
        min_pending: usize,
        min_ack_pending: usize,
        group: impl Into<String>,
        #[cfg(feature = "server_2_12")]
        priority: usize,
    }
}

builder! {
    BatchBuilder -> Batch, BatchError {
        max_bytes: usize,
        max_messages: usize,
        heartbeat: Duration,
        expires: Duration,
        min_pending: usize,
        min_ack_pending: usize,
        group: impl Into<String>,
    }
}

/// The client's [`Sequence`](bare::Sequence), instrumented: a stream of requests.
pub struct Sequence {
    bare: bare::Sequence,
    connection: Connection,
    clock: Option<Clock>,
}

impl futures_core::Stream for Sequence {
    type Item = Result<Batch, MessagesError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { bare, connection, clock } = &mut *self;
        let since = *clock.get_or_insert_with(|| connection.clock());
        let batch = ready!(Pin::new(bare).poll_next(context));
        *clock = None;
        let incoming = |batch| Incoming::new(batch, connection.clone()).since(since);
        Poll::Ready(batch.map(|batch| batch.map(incoming)))
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequence").finish_non_exhaustive()
    }
}
