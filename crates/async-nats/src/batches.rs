//! Batches out of a stream that hands over one message at a time.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use otel_messaging_core::{Batch, Gather};
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
    max_wait: Duration,
    gather: Gather<S::Message, Sleep, End<S>>,
}

/// What ends a batch and is no part of it: the server's status, or an error.
type End<S> = Result<<S as Source>::Bare, <S as Source>::Error>;

impl<'a, S: Source> Batches<'a, S> {
    pub(crate) fn new(stream: &'a mut Incoming<S>, max: usize, max_wait: Duration) -> Self {
        Self { stream, max_wait, gather: Gather::new(max) }
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
        self.gather.flush().map(|collected| self.hand_over(collected))
    }

    fn hand_over(&mut self, collected: Vec<S::Message>) -> Batch<S::Message> {
        let clock = self.stream.take_clock();
        self.stream.connection().endpoint().receive_batch(S::OPERATION, clock, &collected);
        collected.into()
    }
}

/// Nothing in it is pinned.
impl<S: Source> Unpin for Batches<'_, S> {}

impl<S: Source> Stream for Batches<'_, S> {
    type Item = Result<Batch<S::Message>, S::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.stream.start_clock();
        let stream = &mut *this.stream;
        let next = |context: &mut Context<'_>| {
            stream.poll_bare(context).map(|next| {
                Some(match next? {
                    Ok(message) if !message.is_status() => {
                        Ok(stream.connection().hold(message).into())
                    }
                    end => Err(end),
                })
            })
        };
        let gathered = ready!(this.gather.poll(context, next, || sleep(this.max_wait)));
        Poll::Ready(gathered.map(|gathered| match gathered {
            Ok(collected) => Ok(this.hand_over(collected)),
            // It comes alone: to count nothing, it must not be one of several.
            Err(Ok(status)) => Ok(vec![this.stream.connection().hold(status).into()].into()),
            Err(Err(error)) => Err(this.stream.fail(error)),
        }))
    }
}

impl<S: Source> fmt::Debug for Batches<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("max_wait", &self.max_wait)
            .field("gather", &self.gather)
            .finish_non_exhaustive()
    }
}
