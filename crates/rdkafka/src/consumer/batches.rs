//! Batches out of a consumer that hands over one message at a time.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use otel_messaging_core::{Batch, Clock, Endpoint, Gather};
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
    max_wait: Duration,
    gather: Gather<BorrowedMessage<'a>, R::Delay, KafkaError>,
    /// Runs from the first poll after the last batch.
    clock: Option<Clock>,
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
        Self { stream, endpoint, client, max_wait, gather: Gather::new(max), clock: None }
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
        self.gather.flush().map(|collected| self.hand_over(collected))
    }

    fn hand_over(&mut self, collected: Vec<BorrowedMessage<'a>>) -> Batch<BorrowedMessage<'a>> {
        let clock = self.clock.take().unwrap_or_else(|| self.endpoint.clock());
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
        let stream = &mut this.stream;
        let next = |context: &mut Context<'_>| {
            let hold = |message| BorrowedMessage::new(endpoint.hold(Delivered(message)));
            Pin::new(&mut *stream).poll_next(context).map(|next| next.map(|next| next.map(hold)))
        };
        let gathered = ready!(this.gather.poll(context, next, || R::delay_for(this.max_wait)));
        Poll::Ready(gathered.map(|gathered| match gathered {
            Ok(collected) => Ok(this.hand_over(collected)),
            Err(error) => Err(this.fail(error)),
        }))
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
