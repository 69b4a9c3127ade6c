//! Streams of messages, each of which has its receive span.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::{AsReceived, Failure, Instrumenter, Operation, client::Clock};

/// A stream of the client, as a client crate describes it. [`Incoming`] and [`Batches`](crate::Batches)
/// add the receive spans.
pub trait Source {
    /// The message that the application gets.
    type Message: AsReceived;
    /// The client's error.
    type Error;
    /// The operation that receives the messages.
    const OPERATION: Operation;

    /// Polls the client for the next message, and extracts its context by
    /// [`Instrumenter::extract`].
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Self::Message, Self::Error>>>;

    /// Returns the instrumenter of the consumer.
    fn instrumenter(&self) -> &Instrumenter;

    /// Returns how receiving failed. `None` is no failure, such as the end of a partition.
    fn failure(error: &Self::Error) -> Option<Failure>;

    /// Returns whether this is only a status of the broker: it is handed over alone and counted
    /// nowhere.
    fn is_status(message: &Self::Message) -> bool {
        let _ = message;
        false
    }
}

impl<S: Source> Source for &mut S {
    type Message = S::Message;
    type Error = S::Error;
    const OPERATION: Operation = S::OPERATION;

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Self::Message, Self::Error>>> {
        S::poll_next(self, context)
    }

    fn instrumenter(&self) -> &Instrumenter {
        S::instrumenter(self)
    }

    fn failure(error: &Self::Error) -> Option<Failure> {
        S::failure(error)
    }

    fn is_status(message: &Self::Message) -> bool {
        S::is_status(message)
    }
}

/// A stream of messages, each with its receive span, which covers the time from the first poll
/// after the last message.
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<S> {
    pub(crate) source: S,
    pub(crate) clock: Option<Clock>,
}

impl<S: Source> Incoming<S> {
    /// Wraps the client's stream.
    pub const fn new(source: S) -> Self {
        Self { source, clock: None }
    }

    /// Back-dates the receive span of the first message, for messages that were requested before.
    pub const fn since(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Returns the client's stream.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// Returns the client's stream. What is received through it has no receive span.
    pub const fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// Returns the client's stream.
    pub fn into_source(self) -> S {
        self.source
    }

    pub(crate) fn start_clock(&mut self) {
        if self.clock.is_none() {
            self.clock = Some(self.source.instrumenter().clock());
        }
    }

    pub(crate) fn take_clock(&mut self) -> Clock {
        self.clock.take().unwrap_or_else(|| self.source.instrumenter().clock())
    }

    /// Makes the failed receive span of an error, unless that is no failure.
    pub(crate) fn failed(&mut self, error: &S::Error) {
        let clock = self.take_clock();
        if let Some(failure) = S::failure(error) {
            self.source.instrumenter().receive_failed(S::OPERATION, clock, None, failure);
        }
    }
}

impl<S: Source + Unpin> Stream for Incoming<S> {
    type Item = Result<S::Message, S::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.start_clock();
        // Messages are large, and are not moved here.
        let polled = self.source.poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(message))) if !S::is_status(message) => {
                let clock = self.take_clock();
                message.as_received().receive(S::OPERATION, clock);
            }
            Poll::Ready(Some(Err(error))) => self.failed(error),
            Poll::Ready(Some(Ok(_)) | None) | Poll::Pending => {}
        }
        polled
    }
}

impl<S> fmt::Debug for Incoming<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}
