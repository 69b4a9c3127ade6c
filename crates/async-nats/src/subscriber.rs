//! Subscriptions of core NATS.

use std::{
    convert::Infallible,
    ops::{Deref, DerefMut},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use ::async_nats::Subscriber as BareSubscriber;
use futures_core::Stream;

use crate::{
    consumer::{Batches, Incoming, into_message, map_message, source},
    delivered::Readable as _,
    message::Message,
    semconv,
    server::{Connection, Receiving},
};

/// [`async_nats::Subscriber`], instrumented: a stream of messages.
///
/// The receive span of a message covers the time from the first poll after the last message. A
/// message that is only a status, such as that a request has no responders, is handed over and
/// counted nowhere. It dereferences to the client's own, to unsubscribe or drain it.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Subscriber(Incoming<BareSubscriber>);

impl Subscriber {
    pub(crate) fn new(subscriber: BareSubscriber, connection: Connection) -> Self {
        Self(Incoming::new(subscriber, connection))
    }

    /// Collects batches of `max` messages, or of as many as come within `max_wait` after the first.
    /// One receive span a batch. A `max` of zero acts as one. There are no errors.
    ///
    /// The adaptor owns what it has collected, so that nothing is lost when its `next` is dropped,
    /// as in a `select!`; see [`Batches`].
    pub fn batches(&mut self, max: usize, max_wait: Duration) -> Batches<'_, BareSubscriber> {
        self.0.batches(max, max_wait)
    }

    /// Returns the client's own subscription. What is received through it is not instrumented.
    pub fn into_inner(self) -> BareSubscriber {
        self.0.into_inner()
    }
}

impl Deref for Subscriber {
    type Target = BareSubscriber;

    fn deref(&self) -> &Self::Target {
        self.0.get_ref()
    }
}

impl DerefMut for Subscriber {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0.get_mut()
    }
}

impl Stream for Subscriber {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        into_message(Pin::new(&mut self.0).poll_next(context))
    }
}

source! {
    BareSubscriber => Message, Infallible, semconv::RECEIVE;
    |receiving: &Receiving, polled| {
        map_message(polled, |message| Message::new(receiving.extract(message)))
    };
    fn is_status(message: &Message) -> bool {
        message.get_ref().is_status()
    }
}
