//! Consumers: streams, batches and delegates.

mod batches;
mod delegate;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use lapin::{ConsumerDelegate, Error, Result};
use otel_messaging_core::{Clock, Endpoint};

pub use self::batches::Batches;
use self::delegate::Processing;
use crate::{
    failure,
    message::{Delivery, Source},
    semconv,
    wrapper::wrapper,
};

/// [`lapin::Consumer`], instrumented: each delivery that it hands over has its receive span, which
/// covers the time from the first poll after the last one (rule R11).
///
/// What is prefetched has no span until it is handed over. Made by
/// [`Channel::basic_consume`](crate::Channel::basic_consume).
#[derive(Clone)]
#[must_use = "streams do nothing unless polled"]
pub struct Consumer {
    bare: lapin::Consumer,
    source: Arc<Source>,
    clock: Option<Clock>,
}

wrapper!(Consumer, lapin::Consumer);

impl Consumer {
    pub(crate) fn new(consumer: lapin::Consumer, source: Source) -> Self {
        Self { bare: consumer, source: Arc::new(source), clock: None }
    }

    /// A stream of batches: of `max` deliveries, or of as many as came within `max_wait` after the
    /// first. One receive span a batch.
    ///
    /// `sleep` is the timer, which a consumer of the client's does not know: `tokio::time::sleep`,
    /// `smol::Timer::after`, or that of any other runtime.
    ///
    /// The adaptor owns what it has collected, so that nothing is lost when its `next` is dropped
    /// in a `select!`; see [`Batches`]. It shares this consumer's deliveries: one of them should
    /// be polled at a time.
    pub fn batches<S, T>(&self, max: usize, max_wait: Duration, sleep: S) -> Batches<S, T>
    where
        S: Fn(Duration) -> T,
        T: Future,
    {
        Batches::new(self.bare.clone(), Arc::clone(&self.source), max, max_wait, sleep)
    }

    /// Has the client call `delegate` for each delivery, in a process span (rule R12) that lasts
    /// from the call to the end of its future, and is current in both.
    ///
    /// The span links to the message's creation context and is nobody's child: the client calls
    /// from a thread of its own. The delegate gets the client's own delivery, whose settlement has
    /// no span, unless it is made ours by [`Delivery::new`].
    pub fn set_delegate<D: ConsumerDelegate + 'static>(&self, delegate: D) {
        if self.source.endpoint.is_enabled() {
            self.bare.set_delegate(Processing::new(delegate, Arc::clone(&self.source)));
        } else {
            self.bare.set_delegate(delegate);
        }
    }
}

impl Stream for Consumer {
    type Item = Result<Delivery>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let source = &this.source;
        let clock = *this.clock.get_or_insert_with(|| source.endpoint.clock());
        let result = ready!(Pin::new(&mut this.bare).poll_next(context));
        this.clock = None;
        Poll::Ready(result.map(|result| match result {
            Ok(delivery) => Ok(source.receive(semconv::RECEIVE, clock, delivery)),
            Err(error) => Err(failed(&source.endpoint, clock, error)),
        }))
    }
}

fn failed(endpoint: &Endpoint, clock: Clock, error: Error) -> Error {
    endpoint.receive_failed(semconv::RECEIVE, clock, None, failure::of(&error));
    error
}
