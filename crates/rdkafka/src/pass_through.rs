//! What is added at the call site, for builds without the feature `otel`: `process` on the client's
//! own messages, `batches` on its own consumers. Nothing is recorded.
//!
//! `use otel_messaging_rdkafka::pass_through::*` brings the methods into scope.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
pub use otel_messaging_core::pass_through::IntoVec;
use otel_messaging_core::{Gather, pass_through::Batch};
use rdkafka::{
    consumer::{
        ConsumerContext, MessageStream, StreamConsumer, stream_consumer::StreamPartitionQueue,
    },
    error::{KafkaError, KafkaResult},
    message::{BorrowedMessage, OwnedMessage},
    util::AsyncRuntime,
};

otel_messaging_core::pass_through! {
    BorrowedMessage<'_>,
    OwnedMessage,
}

/// What has a stream of messages, which can be taken in batches.
pub trait CollectBatches<C: ConsumerContext, R: AsyncRuntime> {
    /// A stream of batches: of `max` messages, or of as many as came within `max_wait` after the
    /// first.
    ///
    /// The adaptor owns what it has collected, so that nothing is lost when its `next` is dropped
    /// in a `select!`; see [`Batches`].
    fn batches(&self, max: usize, max_wait: Duration) -> Batches<'_, C, R>;
}

impl<C, R> CollectBatches<C, R> for StreamConsumer<C, R>
where
    C: ConsumerContext + 'static,
    R: AsyncRuntime,
{
    fn batches(&self, max: usize, max_wait: Duration) -> Batches<'_, C, R> {
        Batches { stream: self.stream(), max_wait, gather: Gather::new(max) }
    }
}

impl<C, R> CollectBatches<C, R> for StreamPartitionQueue<C, R>
where
    C: ConsumerContext,
    R: AsyncRuntime,
{
    fn batches(&self, max: usize, max_wait: Duration) -> Batches<'_, C, R> {
        Batches { stream: self.stream(), max_wait, gather: Gather::new(max) }
    }
}

/// A stream of batches, made by [`CollectBatches::batches`].
///
/// A batch is handed over when it has `max` messages, or when `max_wait` is over since its first
/// one came; while there is none, it waits.
///
/// Cancel safety: what was collected stays here when [`next`](Self::next) is dropped, as in a
/// `select!`, and comes with the next batch. An error of the client ends the batch: first the
/// messages that were collected come, then the error. Before this is dropped,
/// [`flush`](Self::flush) gives what was collected: to the client these messages are consumed.
#[must_use = "streams do nothing unless polled"]
pub struct Batches<'a, C, R>
where
    C: ConsumerContext,
    R: AsyncRuntime,
{
    stream: MessageStream<'a, C>,
    max_wait: Duration,
    gather: Gather<BorrowedMessage<'a>, R::Delay, KafkaError>,
}

impl<'a, C, R> Batches<'a, C, R>
where
    C: ConsumerContext,
    R: AsyncRuntime,
{
    /// Waits for the next batch. It never returns `None`, as the client's stream never ends.
    ///
    /// Cancel safety: nothing is lost.
    ///
    /// # Errors
    /// Those of the client; there may be more batches after one.
    pub async fn next(&mut self) -> Option<KafkaResult<Batch<BorrowedMessage<'a>>>> {
        poll_fn(|context| pin!(&mut *self).poll_next(context)).await
    }

    /// What was collected so far, without waiting, if anything was: for the end of a consumer's
    /// life.
    pub fn flush(&mut self) -> Option<Batch<BorrowedMessage<'a>>> {
        self.gather.flush()
    }
}

impl<'a, C, R> Stream for Batches<'a, C, R>
where
    C: ConsumerContext,
    R: AsyncRuntime,
{
    type Item = KafkaResult<Batch<BorrowedMessage<'a>>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { stream, max_wait, gather } = &mut *self;
        let next = |context: &mut Context<'_>| Pin::new(&mut *stream).poll_next(context);
        gather.poll(context, next, || R::delay_for(*max_wait))
    }
}

impl<C, R> std::fmt::Debug for Batches<'_, C, R>
where
    C: ConsumerContext,
    R: AsyncRuntime,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches")
            .field("max_wait", &self.max_wait)
            .field("gather", &self.gather)
            .finish_non_exhaustive()
    }
}

/// Mirrors [`rdkafka::consumer`], with the stream of batches beside the client's own.
pub mod consumer {
    pub use rdkafka::consumer::*;

    pub use super::Batches;

    /// Mirrors [`rdkafka::consumer::stream_consumer`].
    pub mod stream_consumer {
        pub use rdkafka::consumer::stream_consumer::*;

        pub use super::Batches;
    }
}
