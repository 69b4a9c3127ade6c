//! A stream of the client's that hands over messages of ours.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use ::async_nats::{Message, Subscriber};
use futures_core::Stream;
use otel_messaging_core::{AsReceived, Clock, Operation, Received};

use crate::{
    batches::Batches,
    facts::Connection,
    failure::Classify,
    message::{self, Delivered, Readable},
    semconv,
};

/// A stream of the client's: what its items are, and which operation takes them.
pub trait Source: Stream + Unpin {
    /// The client's message.
    type Bare: Readable;
    /// Ours.
    type Message: AsReceived<Message = Delivered<Self::Bare>>
        + From<Received<Delivered<Self::Bare>>>;
    /// Why there is none.
    type Error: Classify;
    /// What the application does when it takes a message.
    const OPERATION: Operation;

    /// An item as what it is.
    fn unpack(item: Self::Item) -> Result<Self::Bare, Self::Error>;
}

impl Source for Subscriber {
    type Bare = Message;
    type Message = message::Message;
    type Error = Infallible;
    const OPERATION: Operation = semconv::RECEIVE;

    fn unpack(item: Message) -> Result<Message, Infallible> {
        Ok(item)
    }
}

/// A stream of messages, each with its receive span, which covers the time from the first poll
/// after the last message.
pub struct Incoming<S> {
    stream: S,
    connection: Arc<Connection>,
    clock: Option<Clock>,
}

impl<S: Source> Incoming<S> {
    /// `clock` runs since the messages were asked for, if they were.
    pub(crate) const fn new(stream: S, connection: Arc<Connection>, clock: Option<Clock>) -> Self {
        Self { stream, connection, clock }
    }

    /// Batches of `max` messages, or of as many as came within `max_wait` after the first. One
    /// receive span a batch.
    ///
    /// The adaptor owns what it has collected, so that nothing is lost when its `next` is dropped
    /// in a `select!`; see [`Batches`].
    pub fn batches(&mut self, max: usize, max_wait: Duration) -> Batches<'_, S> {
        Batches::new(self, max, max_wait)
    }

    /// The client's own stream.
    pub const fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The client's own stream. What is received through it is not instrumented.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The client's own stream.
    pub fn into_inner(self) -> S {
        self.stream
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Starts the clock, unless it is running.
    pub(crate) fn start_clock(&mut self) {
        self.clock.get_or_insert_with(|| self.connection.endpoint().clock());
    }

    /// Stops it.
    pub(crate) fn take_clock(&mut self) -> Clock {
        self.clock.take().unwrap_or_else(|| self.connection.endpoint().clock())
    }

    /// The next item, of which nobody is told.
    pub(crate) fn poll_bare(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<S::Bare, S::Error>>> {
        Pin::new(&mut self.stream).poll_next(context).map(|item| item.map(S::unpack))
    }

    pub(crate) fn fail(&mut self, error: S::Error) -> S::Error {
        let clock = self.take_clock();
        let endpoint = self.connection.endpoint();
        endpoint.receive_failed(S::OPERATION, clock, None, error.failure());
        error
    }
}

impl<S: Source> Stream for Incoming<S> {
    type Item = Result<S::Message, S::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.start_clock();
        this.poll_bare(context).map(|item| {
            Some(match item? {
                Ok(message) => {
                    let clock = this.take_clock();
                    Ok(this.connection.receive(S::OPERATION, clock, message).into())
                }
                Err(error) => Err(this.fail(error)),
            })
        })
    }
}

impl<S> fmt::Debug for Incoming<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}
