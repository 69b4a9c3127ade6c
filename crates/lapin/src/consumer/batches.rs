//! Batches out of a consumer that hands over one delivery at a time.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use lapin::{Error, Result};
use otel_messaging_core::{Batch, Clock, Gather};

use super::failed;
use crate::{
    message::{Delivery, Source},
    semconv,
};

/// A stream of batches, made by [`Consumer::batches`](super::Consumer::batches).
///
/// A batch is handed over when it has `max` deliveries, or when `max_wait` is over since its first
/// one came; while there is none, it waits. Each has ONE receive span, which links to every
/// message's creation context.
///
/// Cancel safety: what was collected stays here when [`next`](Self::next) is dropped, as in a
/// `select!`, and comes with the next batch. An error of the client ends the batch, and so does
/// the end of its stream: first the deliveries that were collected come. Before this is dropped,
/// [`flush`](Self::flush) gives what was collected; what is not settled is delivered again when
/// the channel closes.
#[must_use = "streams do nothing unless polled"]
pub struct Batches<S, T> {
    consumer: lapin::Consumer,
    source: Arc<Source>,
    max_wait: Duration,
    sleep: S,
    gather: Gather<Delivery, T, Error>,
    /// Runs from the first poll after the last batch.
    clock: Option<Clock>,
}

impl<S, T> Batches<S, T>
where
    S: Fn(Duration) -> T,
    T: Future,
{
    pub(super) fn new(
        consumer: lapin::Consumer,
        source: Arc<Source>,
        max: usize,
        max_wait: Duration,
        sleep: S,
    ) -> Self {
        Self { consumer, source, max_wait, sleep, gather: Gather::new(max), clock: None }
    }

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
        self.gather.flush().map(|collected| self.hand_over(collected))
    }

    fn hand_over(&mut self, collected: Vec<Delivery>) -> Batch<Delivery> {
        let clock = self.clock.take().unwrap_or_else(|| self.source.endpoint.clock());
        self.source.endpoint.receive_batch(semconv::RECEIVE, clock, &collected);
        collected.into()
    }

    fn fail(&mut self, error: Error) -> Error {
        let clock = self.clock.take().unwrap_or_else(|| self.source.endpoint.clock());
        failed(&self.source.endpoint, clock, error)
    }
}

impl<S, T> Stream for Batches<S, T>
where
    S: Fn(Duration) -> T,
    T: Future,
{
    type Item = Result<Batch<Delivery>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let (consumer, source) = (&mut this.consumer, &this.source);
        this.clock.get_or_insert_with(|| source.endpoint.clock());
        let next = |context: &mut Context<'_>| {
            let hold = |delivery| Delivery::of(source.hold(delivery));
            Pin::new(&mut *consumer).poll_next(context).map(|next| next.map(|next| next.map(hold)))
        };
        let gathered = ready!(this.gather.poll(context, next, || (this.sleep)(this.max_wait)));
        Poll::Ready(gathered.map(|gathered| match gathered {
            Ok(collected) => Ok(this.hand_over(collected)),
            Err(error) => Err(this.fail(error)),
        }))
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
