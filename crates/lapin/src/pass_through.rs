//! What is added at the call site, for builds without the feature `otel`: `process` on the client's
//! own deliveries, `batches` on its own consumer. Nothing is recorded.
//!
//! `use otel_messaging_lapin::pass_through::*` brings the methods into scope.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use lapin::{Consumer, Error, Result, message::Delivery};
pub use otel_messaging_core::pass_through::IntoVec;
use otel_messaging_core::{Gather, pass_through::Batch};

otel_messaging_core::pass_through! {
    Delivery,
}

/// What has a stream of deliveries, which can be taken in batches.
pub trait CollectBatches {
    /// A stream of batches: of `max` deliveries, or of as many as came within `max_wait` after the
    /// first.
    ///
    /// `sleep` is the timer, which a consumer does not know: `tokio::time::sleep`,
    /// `smol::Timer::after`, or that of any other runtime.
    ///
    /// The adaptor owns what it has collected, so that nothing is lost when its `next` is dropped
    /// in a `select!`; see [`Batches`]. It shares this consumer's deliveries: one of them should
    /// be polled at a time.
    fn batches<S, T>(&self, max: usize, max_wait: Duration, sleep: S) -> Batches<S, T>
    where
        S: Fn(Duration) -> T,
        T: Future;
}

impl CollectBatches for Consumer {
    fn batches<S, T>(&self, max: usize, max_wait: Duration, sleep: S) -> Batches<S, T>
    where
        S: Fn(Duration) -> T,
        T: Future,
    {
        Batches { consumer: self.clone(), max_wait, sleep, gather: Gather::new(max) }
    }
}

/// A stream of batches, made by [`CollectBatches::batches`].
///
/// A batch is handed over when it has `max` deliveries, or when `max_wait` is over since its first
/// one came; while there is none, it waits.
///
/// Cancel safety: what was collected stays here when [`next`](Self::next) is dropped, as in a
/// `select!`, and comes with the next batch. An error of the client ends the batch, and so does
/// the end of its stream: first the deliveries that were collected come. Before this is dropped,
/// [`flush`](Self::flush) gives what was collected; what is not settled is delivered again when
/// the channel closes.
#[must_use = "streams do nothing unless polled"]
pub struct Batches<S, T> {
    consumer: Consumer,
    max_wait: Duration,
    sleep: S,
    gather: Gather<Delivery, T, Error>,
}

impl<S, T> Batches<S, T>
where
    S: Fn(Duration) -> T,
    T: Future,
{
    /// Waits for the next batch; none comes after the consumer was cancelled.
    ///
    /// Cancel safety: nothing is lost.
    ///
    /// # Errors
    /// Those of the client; with automatic recovery, there may be more batches after one.
    pub async fn next(&mut self) -> Option<Result<Batch<Delivery>>> {
        poll_fn(|context| pin!(&mut *self).poll_next(context)).await
    }

    /// What was collected so far, without waiting, if anything was: for the end of a consumer's
    /// life.
    pub fn flush(&mut self) -> Option<Batch<Delivery>> {
        self.gather.flush()
    }
}

impl<S, T> Stream for Batches<S, T>
where
    S: Fn(Duration) -> T,
    T: Future,
{
    type Item = Result<Batch<Delivery>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { consumer, max_wait, sleep, gather } = &mut *self;
        let next = |context: &mut Context<'_>| Pin::new(&mut *consumer).poll_next(context);
        gather.poll(context, next, || sleep(*max_wait))
    }
}

/// The timer is in a box, and nothing else is ever pinned.
impl<S, T> Unpin for Batches<S, T> {}

impl<S, T> fmt::Debug for Batches<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("max_wait", &self.max_wait)
            .field("gather", &self.gather)
            .finish_non_exhaustive()
    }
}
