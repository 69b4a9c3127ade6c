//! What is added at the call site, for builds without the feature `otel`: `process` on the client's
//! own messages, `batches` on its own streams. Nothing is recorded.
//!
//! `use otel_messaging_async_nats::pass_through::*` brings the methods into scope.

use std::{
    convert::Infallible,
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

#[cfg(feature = "jetstream")]
use ::async_nats::jetstream::{self, consumer};
use ::async_nats::{Message, StatusCode, Subscriber};
use futures_core::Stream;
pub use otel_messaging_core::pass_through::IntoVec;
use otel_messaging_core::{Gather, pass_through::Batch};
use tokio::time::{Sleep, sleep};

otel_messaging_core::pass_through! {
    Message,
    #[cfg(feature = "jetstream")]
    jetstream::Message,
    #[cfg(feature = "service")]
    ::async_nats::service::Request,
}

/// What was read from where it is stored is processed as a batch, alone or with others.
#[cfg(feature = "jetstream")]
impl Process for Batch<jetstream::message::StreamMessage> {}

/// A stream of messages, which can be taken in batches.
pub trait CollectBatches: Stream + Unpin + Sized {
    /// The client's message.
    type Message;
    /// Why there is none.
    type Error;

    /// An item as what it is.
    fn unpack(item: Self::Item) -> Result<Self::Message, Self::Error>;

    /// Whether it is the server's answer to a request, and nobody's message.
    fn is_status(_message: &Self::Message) -> bool {
        false
    }

    /// Batches of `max` messages, or of as many as came within `max_wait` after the first.
    ///
    /// The adaptor owns what it has collected, so that nothing is lost when its `next` is dropped
    /// in a `select!`; see [`Batches`].
    fn batches(&mut self, max: usize, max_wait: Duration) -> Batches<'_, Self> {
        Batches { stream: self, max_wait, gather: Gather::new(max) }
    }
}

impl CollectBatches for Subscriber {
    type Message = Message;
    type Error = Infallible;

    fn unpack(item: Message) -> Result<Message, Infallible> {
        Ok(item)
    }

    fn is_status(message: &Message) -> bool {
        message.status.is_some_and(|status| status != StatusCode::OK)
    }
}

/// The client's streams of messages.
#[cfg(feature = "jetstream")]
macro_rules! streams {
    ($($stream:ty, $error:ty;)*) => {
        $(
            impl CollectBatches for $stream {
                type Message = jetstream::Message;
                type Error = $error;

                fn unpack(
                    item: Result<jetstream::Message, $error>,
                ) -> Result<jetstream::Message, $error> {
                    item
                }
            }
        )*
    };
}

#[cfg(feature = "jetstream")]
streams! {
    consumer::pull::Batch, ::async_nats::Error;
    consumer::pull::Stream, consumer::pull::MessagesError;
    consumer::pull::Ordered, consumer::pull::OrderedError;
    consumer::push::Messages, consumer::push::MessagesError;
    consumer::push::Ordered, consumer::push::OrderedError;
}

/// What ends by itself, and can be taken as one batch.
#[cfg(feature = "jetstream")]
pub trait CollectAll {
    /// All messages of the request as one batch. An error after the first message ends it.
    ///
    /// Cancel safety: what was received is dropped with the future, to be delivered again;
    /// [`batches`](CollectBatches::batches) keeps it.
    ///
    /// # Errors
    /// Those of the client, if there is no message.
    fn into_batch(
        self,
    ) -> impl Future<Output = Result<Batch<jetstream::Message>, ::async_nats::Error>> + Send;
}

#[cfg(feature = "jetstream")]
impl CollectAll for consumer::pull::Batch {
    async fn into_batch(mut self) -> Result<Batch<jetstream::Message>, ::async_nats::Error> {
        self.batches(usize::MAX, Duration::MAX).next().await.unwrap_or_else(|| Ok(Vec::new()))
    }
}

/// A stream of batches, made by [`CollectBatches::batches`].
///
/// A batch is handed over when it has `max` messages, or when `max_wait` is over since its first
/// one came; while there is none, it waits.
///
/// Cancel safety: what was collected stays here when [`next`](Self::next) is dropped, as in a
/// `select!`, and comes with the next batch. An error of the client ends the batch: first the
/// messages that were collected come, then the error. Before this is dropped,
/// [`flush`](Self::flush) gives what was collected.
#[must_use = "streams do nothing unless polled"]
pub struct Batches<'a, S: CollectBatches> {
    stream: &'a mut S,
    max_wait: Duration,
    gather: Gather<S::Message, Sleep, End<S>>,
}

/// What ends a batch and is no part of it: the server's status, or an error.
type End<S> = Result<<S as CollectBatches>::Message, <S as CollectBatches>::Error>;

impl<S: CollectBatches> Batches<'_, S> {
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
        self.gather.flush()
    }
}

/// Nothing in it is pinned.
impl<S: CollectBatches> Unpin for Batches<'_, S> {}

impl<S: CollectBatches> Stream for Batches<'_, S> {
    type Item = Result<Batch<S::Message>, S::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { stream, max_wait, gather } = &mut *self;
        let next = |context: &mut Context<'_>| {
            Pin::new(&mut **stream).poll_next(context).map(|next| {
                Some(match S::unpack(next?) {
                    Ok(message) if !S::is_status(&message) => Ok(message),
                    end => Err(end),
                })
            })
        };
        let gathered = ready!(gather.poll(context, next, || sleep(*max_wait)));
        // A status comes alone, as it does where batches are recorded.
        Poll::Ready(gathered.map(|gathered| gathered.or_else(|end| end.map(|status| vec![status]))))
    }
}

impl<S: CollectBatches> fmt::Debug for Batches<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("max_wait", &self.max_wait)
            .field("gather", &self.gather)
            .finish_non_exhaustive()
    }
}
