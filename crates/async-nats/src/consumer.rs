//! Streams of messages, each of which has its receive span.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
#[cfg(feature = "jetstream")]
use otel_messaging_core::client::Clock;
use otel_messaging_core::{self as otel, client::Source};
use tokio::time::{Sleep, sleep};

use crate::server::{Connection, Receiving};

/// A stream of the client's, instrumented: a stream of messages, each with its receive span, which
/// covers the time from the first poll after the last message.
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<S>(otel::Incoming<ClientStream<S>>);

/// A stream of batches, made by `batches` of a subscriber or of a consumer's stream.
pub type Batches<'a, S> = otel::Batches<&'a mut ClientStream<S>, Sleep>;

impl<S> Incoming<S>
where
    ClientStream<S>: Source,
{
    pub(crate) fn new(stream: S, connection: Connection) -> Self {
        Self(otel::Incoming::new(ClientStream { stream, receiving: Receiving::new(connection) }))
    }

    /// Back-dates the first receive span, for messages that were asked for at `clock`.
    #[cfg(feature = "jetstream")]
    pub(crate) fn since(self, clock: Clock) -> Self {
        Self(self.0.since(clock))
    }

    /// Collects batches of `max` messages, or of as many as come within `max_wait` after the first.
    /// One receive span a batch. A `max` of zero acts as one.
    ///
    /// The adaptor owns what it has collected, so that nothing is lost when its `next` is dropped,
    /// as in a `select!`; see [`Batches`].
    pub fn batches(&mut self, max: usize, max_wait: Duration) -> Batches<'_, S> {
        self.0.batches(max, max_wait, sleep)
    }

    /// Returns the client's own stream.
    pub const fn get_ref(&self) -> &S {
        &self.0.source().stream
    }

    /// Returns the client's own stream. What is received through it is not instrumented.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.0.source_mut().stream
    }

    /// Returns the client's own stream. What is received through it is not instrumented.
    pub fn into_inner(self) -> S {
        self.0.into_source().stream
    }
}

impl<S> Stream for Incoming<S>
where
    ClientStream<S>: Source + Unpin,
{
    type Item = Result<<ClientStream<S> as Source>::Message, <ClientStream<S> as Source>::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(context)
    }
}

impl<S> fmt::Debug for Incoming<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

/// A stream of the client's, and the connection that it belongs to: what [`Incoming`] and
/// [`Batches`] receive from.
pub struct ClientStream<S> {
    pub(crate) stream: S,
    pub(crate) receiving: Receiving,
}

impl<S> fmt::Debug for ClientStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientStream").finish_non_exhaustive()
    }
}

/// Maps the messages of a stream without errors. Matches all levels at once: each nested `map` would
/// copy the message.
#[inline]
pub(crate) fn map_message<M, T>(
    polled: Poll<Option<M>>,
    form: impl FnOnce(M) -> T,
) -> Poll<Option<Result<T, Infallible>>> {
    match polled {
        Poll::Ready(Some(message)) => Poll::Ready(Some(Ok(form(message)))),
        Poll::Ready(None) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    }
}

/// Takes the messages out of the results of a stream without errors; see [`map_message`].
#[inline]
pub(crate) fn into_message<M>(polled: Poll<Option<Result<M, Infallible>>>) -> Poll<Option<M>> {
    match polled {
        Poll::Ready(Some(Ok(message))) => Poll::Ready(Some(message)),
        Poll::Ready(None) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    }
}

/// Makes a stream of the client's a source of messages: how its items become messages, and which
/// operation takes them.
macro_rules! source {
    (
        $stream:ty => $message:ty, $error:ty, $operation:expr;
        $take:expr
        $(; $is_status:item)?
    ) => {
        impl ::otel_messaging_core::client::Source for $crate::consumer::ClientStream<$stream> {
            type Message = $message;
            type Error = $error;
            const OPERATION: ::otel_messaging_core::Operation = $operation;

            fn poll_next(
                &mut self,
                context: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Option<Result<Self::Message, Self::Error>>> {
                let polled = ::std::pin::Pin::new(&mut self.stream).poll_next(context);
                self.receiving.refresh();
                $take(&self.receiving, polled)
            }

            fn instrumenter(&self) -> &::otel_messaging_core::Instrumenter {
                self.receiving.instrumenter()
            }

            fn failure(error: &Self::Error) -> Option<::otel_messaging_core::Failure> {
                Some($crate::error_type::Classify::failure(error))
            }

            $($is_status)?
        }
    };
}
pub(crate) use source;
