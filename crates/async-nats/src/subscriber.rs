//! Subscriptions of core NATS.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use ::async_nats::{Subscriber as BareSubscriber, UnsubscribeError};
use futures_core::Stream;

use crate::{batches::Batches, facts::Connection, incoming::Incoming, message::Message};

/// [`async_nats::Subscriber`], instrumented: a stream of messages.
///
/// The receive span of a message covers the time from the first poll after the last message. What
/// only tells a status, such as that a request has no responders, is handed over and not counted.
#[derive(Debug)]
pub struct Subscriber(Incoming<BareSubscriber>);

impl Subscriber {
    pub(crate) const fn new(subscriber: BareSubscriber, connection: Arc<Connection>) -> Self {
        Self(Incoming::new(subscriber, connection, None))
    }

    /// Batches of `max` messages, or of as many as came within `max_wait` after the first. One
    /// receive span a batch. There are no errors.
    ///
    /// The adaptor owns what it has collected, so that nothing is lost when its `next` is dropped
    /// in a `select!`; see [`Batches`].
    pub fn batches(&mut self, max: usize, max_wait: Duration) -> Batches<'_, BareSubscriber> {
        self.0.batches(max, max_wait)
    }

    /// Unsubscribes at once.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn unsubscribe(&mut self) -> Result<(), UnsubscribeError> {
        self.0.get_mut().unsubscribe().await
    }

    /// Unsubscribes after so many messages.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn unsubscribe_after(&mut self, messages: u64) -> Result<(), UnsubscribeError> {
        self.0.get_mut().unsubscribe_after(messages).await
    }

    /// Unsubscribes, and hands over what is on its way.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn drain(&mut self) -> Result<(), UnsubscribeError> {
        self.0.get_mut().drain().await
    }

    /// The client's own subscription. What is received through it is not instrumented.
    pub fn into_inner(self) -> BareSubscriber {
        self.0.into_inner()
    }
}

impl Stream for Subscriber {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        Pin::new(&mut self.0).poll_next(context).map(|item| item.map(|Ok(message)| message))
    }
}
