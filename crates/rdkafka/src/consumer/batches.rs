//! Batches out of a consumer that hands over one message at a time.

use std::{
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use otel_messaging_core::{Batch, Clock, Endpoint};
use rdkafka::{
    client::Client,
    consumer::{self as bare, ConsumerContext},
    error::{KafkaError, KafkaResult},
    util::AsyncRuntime,
};

use super::failed;
use crate::{
    facts,
    message::{BorrowedMessage, Delivered},
    semconv,
};

/// A stream of batches, made by [`StreamConsumer::batches`](super::StreamConsumer::batches).
///
/// A batch is handed over when it has `max` messages, or when `max_wait` is over since its first
/// one came; while there is none, it waits. Each has ONE receive span, which links to every
/// message's creation context.
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
    stream: bare::MessageStream<'a, C>,
    endpoint: &'a Endpoint,
    client: &'a Client<C>,
    max: usize,
    max_wait: Duration,
    collected: Vec<BorrowedMessage<'a>>,
    /// Runs from the first message that was collected.
    timer: Option<Pin<Box<R::Delay>>>,
    /// Runs from the first poll after the last batch.
    clock: Option<Clock>,
    error: Option<KafkaError>,
}

impl<'a, C, R> Batches<'a, C, R>
where
    C: ConsumerContext,
    R: AsyncRuntime,
{
    pub(super) fn new(
        stream: bare::MessageStream<'a, C>,
        endpoint: &'a Endpoint,
        client: &'a Client<C>,
        max: usize,
        max_wait: Duration,
    ) -> Self {
        Self {
            stream,
            endpoint,
            client,
            // A batch of none would be ready for ever.
            max: max.max(1),
            max_wait,
            collected: Vec::new(),
            timer: None,
            clock: None,
            error: None,
        }
    }

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
        (!self.collected.is_empty()).then(|| self.hand_over())
    }

    fn hand_over(&mut self) -> Batch<BorrowedMessage<'a>> {
        let clock = self.clock.take().unwrap_or_else(|| self.endpoint.clock());
        self.timer = None;
        let collected = mem::take(&mut self.collected);
        facts::learn_cluster(self.endpoint, self.client);
        self.endpoint.receive_batch(semconv::POLL, clock, &collected);
        collected.into()
    }

    fn fail(&mut self, error: KafkaError) -> KafkaError {
        let clock = self.clock.take().unwrap_or_else(|| self.endpoint.clock());
        facts::learn_cluster(self.endpoint, self.client);
        failed(self.endpoint, clock, &error);
        error
    }
}

impl<'a, C, R> Stream for Batches<'a, C, R>
where
    C: ConsumerContext,
    R: AsyncRuntime,
{
    type Item = KafkaResult<Batch<BorrowedMessage<'a>>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let endpoint = this.endpoint;
        this.clock.get_or_insert_with(|| endpoint.clock());
        if let Some(error) = this.error.take() {
            return Poll::Ready(Some(Err(this.fail(error))));
        }
        while this.collected.len() < this.max {
            match Pin::new(&mut this.stream).poll_next(context) {
                Poll::Ready(Some(Ok(message))) => {
                    let message = BorrowedMessage::new(endpoint.hold(Delivered(message)));
                    this.collected.push(message);
                    if this.timer.is_none() && this.collected.len() < this.max {
                        this.timer = Some(Box::pin(R::delay_for(this.max_wait)));
                    }
                }
                Poll::Ready(Some(Err(error))) if this.collected.is_empty() => {
                    return Poll::Ready(Some(Err(this.fail(error))));
                }
                Poll::Ready(Some(Err(error))) => {
                    this.error = Some(error);
                    return Poll::Ready(Some(Ok(this.hand_over())));
                }
                Poll::Ready(None) => return Poll::Ready(this.flush().map(Ok)),
                Poll::Pending => {
                    let Some(timer) = &mut this.timer else { return Poll::Pending };
                    match timer.as_mut().poll(context) {
                        Poll::Ready(()) => break,
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        }
        Poll::Ready(Some(Ok(this.hand_over())))
    }
}

impl<C, R> std::fmt::Debug for Batches<'_, C, R>
where
    C: ConsumerContext,
    R: AsyncRuntime,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches")
            .field("max", &self.max)
            .field("max_wait", &self.max_wait)
            .field("collected", &self.collected.len())
            .finish_non_exhaustive()
    }
}
