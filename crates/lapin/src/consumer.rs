//! Consuming: streams, batches and delegates, and asking for one message.

mod delegate;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use lapin::{
    ConsumerDelegate, Error, Result,
    options::{BasicConsumeOptions, BasicGetOptions},
    types::{FieldTable, ShortString},
};
use otel_messaging_core::{
    AsReceived, Failure, Incoming, Instrumenter, Operation, client::Source, client::wrapper,
};

use self::delegate::Processing;
use crate::{
    Channel, error_type,
    message::{BasicGetMessage, Delivery},
    origin::Origin,
    semconv,
};

impl Channel {
    /// Starts a consumer as [`lapin::Channel::basic_consume`] does. Its deliveries have receive
    /// spans.
    ///
    /// Cancel safety: dropped, the consumer may start nevertheless, as the client's does. Errors are
    /// the client's own.
    pub async fn basic_consume(
        &self,
        queue: ShortString,
        consumer_tag: ShortString,
        options: BasicConsumeOptions,
        arguments: FieldTable,
    ) -> Result<Consumer> {
        let bare = self.get_ref().basic_consume(queue, consumer_tag, options, arguments).await?;
        let origin = Arc::new(self.origin(bare.queue(), options.no_ack));
        Ok(Consumer::new(Deliveries { bare, origin }))
    }

    /// Asks a queue for a message as [`lapin::Channel::basic_get`] does, in a receive span. There is
    /// no span if the queue is empty.
    ///
    /// Cancel safety: a message that comes after this is dropped is not settled until the channel
    /// closes, as with the client's own; there is no span. Errors are the client's own, with a
    /// failed span.
    pub async fn basic_get(
        &self,
        queue: ShortString,
        options: BasicGetOptions,
    ) -> Result<Option<BasicGetMessage>> {
        let instrumenter = self.instrumenter();
        let clock = instrumenter.clock();
        let name = if instrumenter.is_enabled() { queue.clone() } else { ShortString::default() };
        match self.get_ref().basic_get(queue, options).await {
            Ok(message) => Ok(message.map(|message| {
                let origin = self.origin(name, options.no_ack);
                let delivery = Delivery::extract(&origin, message.delivery);
                delivery.as_received().receive(semconv::GET, clock);
                BasicGetMessage { delivery, message_count: message.message_count }
            })),
            Err(error) => {
                instrumenter.receive_failed(semconv::GET, clock, None, error_type::of(&error));
                Err(error)
            }
        }
    }
}

/// A stream of batches of deliveries, made by [`Consumer::batches`].
pub type Batches<T, F = fn(Duration) -> T> = otel_messaging_core::Batches<Deliveries, T, F>;

/// Instrumented [`lapin::Consumer`]: a stream of deliveries, each with its receive span, which
/// covers the time from the first poll after the last delivery.
///
/// What is prefetched has no span until it is handed over. A clone shares the deliveries. Made by
/// [`Channel::basic_consume`].
///
/// Cancel safety: no delivery is lost when a `next` is dropped, as in a `select!`; there is no
/// span.
#[must_use = "streams do nothing unless polled"]
pub struct Consumer {
    /// Another handle of the client's consumer that `incoming` polls.
    bare: lapin::Consumer,
    incoming: Incoming<Deliveries>,
}

wrapper!(Consumer: lapin::Consumer);

impl Consumer {
    fn new(deliveries: Deliveries) -> Self {
        Self { bare: deliveries.bare.clone(), incoming: Incoming::new(deliveries) }
    }

    /// Collects batches of up to `max` deliveries: a batch is complete when it is full, or when
    /// `max_wait` is over since its first delivery. Each has one receive span. A `max` of zero acts
    /// as one.
    ///
    /// `sleep` is the timer, as the client's consumer does not know its runtime:
    /// `tokio::time::sleep`, `smol::Timer::after`, or that of any other runtime.
    ///
    /// [`Batches`] owns the deliveries that it has collected, so that none is lost when its `next`
    /// is dropped in a `select!`. It shares the deliveries with this consumer: poll one of them at a
    /// time.
    pub fn batches<T, F>(&self, max: usize, max_wait: Duration, sleep: F) -> Batches<T, F>
    where
        T: Future,
        F: Fn(Duration) -> T,
    {
        Batches::new(self.clone().incoming, max, max_wait, sleep)
    }

    /// Has the client call `delegate` for each delivery, in a process span that lasts from the call
    /// to the end of its future, and is current in both.
    ///
    /// The span links to the context the message was created in, and has no parent: the client
    /// calls from a thread of its own. The delegate gets the client's own delivery, whose
    /// settlement has no span; wrap it by [`Delivery::from_bare`] to have one.
    pub fn set_delegate<D: ConsumerDelegate + 'static>(&self, delegate: D) {
        let origin = &self.incoming.source().origin;
        if origin.instrumenter.is_enabled() {
            self.bare.set_delegate(Processing::new(delegate, Arc::clone(origin)));
        } else {
            self.bare.set_delegate(delegate);
        }
    }
}

impl Clone for Consumer {
    fn clone(&self) -> Self {
        Self::new(self.incoming.source().clone())
    }
}

impl Stream for Consumer {
    type Item = Result<Delivery>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.incoming).poll_next(context)
    }
}

/// The deliveries of a [`Consumer`], as [`Batches`] collects them.
#[derive(Clone)]
pub struct Deliveries {
    bare: lapin::Consumer,
    origin: Arc<Origin>,
}

impl Source for Deliveries {
    type Message = Delivery;
    type Error = Error;
    const OPERATION: Operation = semconv::RECEIVE;

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Delivery>>> {
        let next = Pin::new(&mut self.bare).poll_next(context);
        next.map_ok(|delivery| Delivery::extract(&self.origin, delivery))
    }

    fn instrumenter(&self) -> &Instrumenter {
        &self.origin.instrumenter
    }

    fn failure(error: &Error) -> Option<Failure> {
        Some(error_type::of(error))
    }
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}
