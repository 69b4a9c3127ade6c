//! Batches out of a stream that hands over one message at a time.

use std::{
    fmt,
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use otel_messaging_core::Batch;
use tokio::time::{Sleep, sleep};

use crate::{
    incoming::{Incoming, Source},
    message::Readable,
};

/// A stream of batches, made by `batches` of a subscriber or a consumer's stream.
///
/// A batch is handed over when it has `max` messages, or when `max_wait` is over since its first
/// one came; while there is none, it waits. Each has ONE receive span, which links to every
/// message's creation context.
///
/// Cancel safety: what was collected stays here when [`next`](Self::next) is dropped, as in a
/// `select!`, and comes with the next batch. An error of the client ends the batch: first the
/// messages that were collected come, then the error. Before this is dropped,
/// [`flush`](Self::flush) gives what was collected.
#[must_use = "streams do nothing unless polled"]
pub struct Batches<'a, S: Source> {
    stream: &'a mut Incoming<S>,
    max: usize,
    max_wait: Duration,
    collected: Vec<S::Message>,
    /// Runs from the first message that was collected.
    timer: Option<Pin<Box<Sleep>>>,
    /// What ended a batch and is no part of it: an error, or the server's status.
    ended_by: Option<Result<S::Bare, S::Error>>,
}

impl<'a, S: Source> Batches<'a, S> {
    pub(crate) fn new(stream: &'a mut Incoming<S>, max: usize, max_wait: Duration) -> Self {
        Self {
            stream,
            // A batch of none would be ready for ever.
            max: max.max(1),
            max_wait,
            collected: Vec::new(),
            timer: None,
            ended_by: None,
        }
    }

    /// Waits for the next batch; `None` when the stream has ended.
    ///
    /// Cancel safety: nothing is lost.
    ///
    /// # Errors
    /// Those of the client; there may be more batches after one.
    pub async fn next(&mut self) -> Option<Result<Batch<S::Message>, S::Error>> {
        poll_fn(|context| pin!(&mut *self).poll_next(context)).await
    }

    /// What was collected so far, without waiting, if anything was: for the end of a
    /// subscription's life.
    pub fn flush(&mut self) -> Option<Batch<S::Message>> {
        (!self.collected.is_empty()).then(|| self.hand_over())
    }

    fn hand_over(&mut self) -> Batch<S::Message> {
        let clock = self.stream.take_clock();
        self.timer = None;
        let collected = mem::take(&mut self.collected);
        self.stream.connection().endpoint().receive_batch(S::OPERATION, clock, &collected);
        collected.into()
    }

    /// What ends a batch comes alone: the server's status is nobody's message.
    fn hand_over_end(
        &mut self,
        end: Result<S::Bare, S::Error>,
    ) -> Result<Batch<S::Message>, S::Error> {
        match end {
            Ok(status) => Ok(vec![self.stream.connection().hold(status).into()].into()),
            Err(error) => Err(self.stream.fail(error)),
        }
    }
}

/// Nothing in it is pinned.
impl<S: Source> Unpin for Batches<'_, S> {}

impl<S: Source> Stream for Batches<'_, S> {
    type Item = Result<Batch<S::Message>, S::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.stream.start_clock();
        if let Some(end) = this.ended_by.take() {
            return Poll::Ready(Some(this.hand_over_end(end)));
        }
        while this.collected.len() < this.max {
            match this.stream.poll_bare(context) {
                Poll::Ready(Some(Ok(message))) if !message.is_status() => {
                    this.collected.push(this.stream.connection().hold(message).into());
                    if this.timer.is_none() && this.collected.len() < this.max {
                        this.timer = Some(Box::pin(sleep(this.max_wait)));
                    }
                }
                Poll::Ready(Some(end)) if this.collected.is_empty() => {
                    return Poll::Ready(Some(this.hand_over_end(end)));
                }
                Poll::Ready(Some(end)) => {
                    this.ended_by = Some(end);
                    break;
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

impl<S: Source> fmt::Debug for Batches<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("max", &self.max)
            .field("max_wait", &self.max_wait)
            .field("collected", &self.collected.len())
            .finish_non_exhaustive()
    }
}
