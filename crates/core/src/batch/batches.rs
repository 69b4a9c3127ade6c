//! Batches of a stream that hands over one message at a time.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;

use crate::{
    Batch, Incoming,
    batch::{buffer::BatchBuffer, incoming::Source},
};

/// A stream of batches, made by `batches` of a consumer or a stream of messages.
///
/// A batch is handed over when it has `max` messages, or when `max_wait` is over since its first
/// message came; while there is none, it waits. A `max` of zero acts as one. Each batch has ONE
/// receive span, which links to every message's creation context.
///
/// An error of the client ends the batch, and so does the end of the client's stream: the messages
/// that were collected come first, then the error.
///
/// Cancel safety: the collected messages stay here when [`next`](Self::next) is dropped, as in a
/// `select!`, and come with the next batch. Take them by [`flush`](Self::flush) before you drop the
/// stream: to the client they are consumed.
#[must_use = "streams do nothing unless polled"]
pub struct Batches<S: Source, T, F = fn(Duration) -> T> {
    incoming: Incoming<S>,
    max_wait: Duration,
    sleep: F,
    buffer: BatchBuffer<S::Message, T, End<S>>,
}

/// What ends a batch and is no part of it: a status of the broker, or an error.
type End<S> = Result<<S as Source>::Message, <S as Source>::Error>;

impl<S, T, F> Batches<S, T, F>
where
    S: Source,
    T: Future,
    F: Fn(Duration) -> T,
{
    /// Collects batches of a stream; `sleep` is the timer of the client's runtime.
    pub fn new(incoming: Incoming<S>, max: usize, max_wait: Duration, sleep: F) -> Self {
        Self { incoming, max_wait, sleep, buffer: BatchBuffer::new(max) }
    }

    /// Waits for the next batch; `None` when the client's stream has ended.
    ///
    /// Cancel safety: no message is lost.
    ///
    /// # Errors
    /// Returns the client's error unchanged, with a failed receive span; there may be more batches
    /// after it.
    pub async fn next(&mut self) -> Option<Result<Batch<S::Message>, S::Error>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Returns the messages that were collected so far, without waiting, if there are any.
    pub fn flush(&mut self) -> Option<Batch<S::Message>> {
        self.buffer.flush().map(|messages| self.hand_over(messages))
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Batch<S::Message>, S::Error>>> {
        let Self { incoming, max_wait, sleep, buffer } = self;
        incoming.start_clock();
        let next = |context: &mut Context<'_>| {
            incoming.source.poll_next(context).map(|item| {
                item.map(|item| match item {
                    Ok(message) if !S::is_status(&message) => Ok(message),
                    end => Err(end),
                })
            })
        };
        let collected = ready!(buffer.poll(context, next, || sleep(*max_wait)));
        Poll::Ready(collected.map(|collected| match collected {
            Ok(messages) => Ok(self.hand_over(messages)),
            // A status is a batch of its own, so that it is not counted with messages.
            Err(Ok(status)) => Ok(vec![status].into()),
            Err(Err(error)) => {
                self.incoming.failed(&error);
                Err(error)
            }
        }))
    }

    fn hand_over(&mut self, messages: Vec<S::Message>) -> Batch<S::Message> {
        let clock = self.incoming.take_clock();
        let instrumenter = self.incoming.source.instrumenter();
        instrumenter.receive_batch(S::OPERATION, clock, &messages);
        messages.into()
    }
}

impl<S: Source> Incoming<S> {
    /// Collects batches of up to `max` messages: a batch is complete when it is full, or when `sleep`
    /// of `max_wait` is over since its first message. Each has one receive span.
    pub fn batches<T, F>(
        &mut self,
        max: usize,
        max_wait: Duration,
        sleep: F,
    ) -> Batches<&mut S, T, F>
    where
        T: Future,
        F: Fn(Duration) -> T,
    {
        let Self { source, clock } = self;
        Batches::new(Incoming { source, clock: clock.take() }, max, max_wait, sleep)
    }
}

/// The timer is in a box, and no other field is ever pinned.
impl<S: Source, T, F> Unpin for Batches<S, T, F> {}

impl<S, T, F> Stream for Batches<S, T, F>
where
    S: Source,
    T: Future,
    F: Fn(Duration) -> T,
{
    type Item = Result<Batch<S::Message>, S::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

impl<S: Source, T, F> fmt::Debug for Batches<S, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("max_wait", &self.max_wait)
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}
