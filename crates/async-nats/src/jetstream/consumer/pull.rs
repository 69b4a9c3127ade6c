//! Consumers that are asked for messages.
//!
//! Mirrors [`async_nats::jetstream::consumer::pull`].

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

pub use ::async_nats::jetstream::consumer::pull::*;
use ::async_nats::jetstream::consumer::{StreamError, pull as bare};
use otel_messaging_core as otel;

use super::{Consumer, Message, ask};
use crate::{facts::Connection, incoming::Incoming};

/// The messages of one request, which end with it.
pub type Batch = Incoming<bare::Batch>;
/// The messages of a pull consumer, without end.
pub type Stream = Incoming<bare::Stream>;
/// The messages of an ordered pull consumer.
pub type Ordered = Incoming<bare::Ordered>;

impl Consumer<Config> {
    /// A stream of messages, which are asked for again and again.
    ///
    /// # Errors
    /// Those of the client, with a failed receive span.
    pub async fn messages(&self) -> Result<Stream, StreamError> {
        ask(&self.connection, self.consumer.messages()).await
    }

    /// A builder of such a stream.
    pub fn stream(&self) -> StreamBuilder<'_> {
        StreamBuilder { builder: self.consumer.stream(), connection: &self.connection }
    }

    /// A builder of a request for the messages that are there.
    pub fn fetch(&self) -> FetchBuilder<'_> {
        FetchBuilder { builder: self.consumer.fetch(), connection: &self.connection }
    }

    /// A builder of a request that waits for messages.
    pub fn batch(&self) -> BatchBuilder<'_> {
        BatchBuilder { builder: self.consumer.batch(), connection: &self.connection }
    }

    /// A stream of requests for so many messages each.
    ///
    /// # Errors
    /// Those of the client.
    pub fn sequence(&self, batch: usize) -> Result<Sequence, BatchError> {
        let sequence = self.consumer.sequence(batch)?;
        Ok(Sequence { sequence, connection: Arc::clone(&self.connection) })
    }
}

impl Consumer<OrderedConfig> {
    /// A stream of all messages in their order.
    ///
    /// # Errors
    /// Those of the client, with a failed receive span.
    pub async fn messages(self) -> Result<Ordered, StreamError> {
        ask(&self.connection, self.consumer.messages()).await
    }
}

impl Batch {
    /// All messages of the request as one batch: ONE receive span, which covers the request and
    /// links to every message's creation context. Without messages the batch is empty, and there
    /// is no span.
    ///
    /// An error after the first message ends the batch, and has a failed receive span.
    /// Cancel safety: what was received is dropped with the future, to be delivered again;
    /// [`batches`](Self::batches) keeps it.
    ///
    /// # Errors
    /// Those of the client, if there is no message.
    pub async fn into_batch(mut self) -> Result<otel::Batch<Message>, ::async_nats::Error> {
        let mut batches = self.batches(usize::MAX, Duration::MAX);
        let Some(batch) = batches.next().await else { return Ok(Vec::new().into()) };
        let batch = batch?;
        // What ended the batch, if not the request did, is told and not lost on telemetry.
        drop(batches.next().await);
        Ok(batch)
    }
}

/// The setters of a builder, and what it builds.
macro_rules! builder {
    ($name:ident -> $stream:ident, $error:ty {
        $($(#[$meta:meta])* $setter:ident: $type:ty,)*
    }) => {
        #[doc = concat!("The client's [`", stringify!($name), "`](bare::", stringify!($name), "), instrumented.")]
        #[must_use = "a builder does nothing until `messages` is called"]
        pub struct $name<'a> {
            builder: bare::$name<'a>,
            connection: &'a Arc<Connection>,
        }

        impl $name<'_> {
            $(
                /// The client's option of this name.
                $(#[$meta])*
                pub fn $setter(mut self, value: $type) -> Self {
                    self.builder = self.builder.$setter(value);
                    self
                }
            )*

            /// Asks for the messages.
            ///
            /// # Errors
            /// Those of the client, with a failed receive span.
            pub async fn messages(self) -> Result<$stream, $error> {
                ask(self.connection, self.builder.messages()).await
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
    sequence: bare::Sequence,
    connection: Arc<Connection>,
}

impl futures_core::Stream for Sequence {
    type Item = Result<Batch, MessagesError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.sequence).poll_next(context).map(|item| {
            let connection = Arc::clone(&self.connection);
            item.map(|batch| batch.map(|batch| Incoming::new(batch, connection, None)))
        })
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequence").finish_non_exhaustive()
    }
}
