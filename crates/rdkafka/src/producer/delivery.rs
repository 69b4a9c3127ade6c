//! The delivery report as a future.

use std::{
    fmt, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker, ready},
};

use futures_channel::oneshot::Canceled;
use otel_messaging_core::{ActiveOperation, Instrumenter};
use rdkafka::{
    error::KafkaError,
    producer::{self as bare, future_producer::Delivery},
};

use super::report;
use crate::message::OwnedMessage;

/// Where the cluster has stored a record, or the error and the message.
pub type OwnedDeliveryResult = Result<Delivery, (KafkaError, OwnedMessage)>;

/// [`rdkafka::producer::DeliveryFuture`], instrumented: waits for the delivery report of a record.
///
/// The span ends with the delivery report, whether or not this is polled: the report wakes what
/// ends the span, in the producer's polling thread.
///
/// Cancel safety: dropping it does not recall the record. The span ends with the report all the
/// same.
#[must_use = "the result of the delivery is lost if this is not awaited"]
pub struct DeliveryFuture(Delivering);

enum Delivering {
    /// Without an operation that the report ends.
    Bare(bare::DeliveryFuture, Instrumenter),
    Tracked(Arc<Report>),
}

impl DeliveryFuture {
    /// Waits for the report of a record that the client has taken.
    pub(super) fn new(
        bare: bare::DeliveryFuture,
        mut operation: ActiveOperation,
        instrumenter: &Instrumenter,
    ) -> Self {
        operation.handed_over();
        if !operation.is_running() {
            return Self(Delivering::Bare(bare, instrumenter.clone()));
        }
        let report = Arc::new(Report {
            state: Mutex::new(State::Waiting { bare, operation, waiter: None }),
            instrumenter: instrumenter.clone(),
        });
        report.advance();
        Self(Delivering::Tracked(report))
    }
}

impl Future for DeliveryFuture {
    type Output = Result<OwnedDeliveryResult, Canceled>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (outcome, instrumenter) = match &mut self.0 {
            Delivering::Bare(bare, instrumenter) => {
                (ready!(Pin::new(bare).poll(context)), &*instrumenter)
            }
            Delivering::Tracked(report) => (ready!(report.poll(context)), &report.instrumenter),
        };
        let owned = |message| OwnedMessage::from_bare(message, instrumenter);
        Poll::Ready(outcome.map(|result| result.map_err(|(error, bare)| (error, owned(bare)))))
    }
}

impl fmt::Debug for DeliveryFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryFuture").finish_non_exhaustive()
    }
}

/// The report of one record, shared by the future and by the waker that the report wakes.
struct Report {
    state: Mutex<State>,
    instrumenter: Instrumenter,
}

type Outcome = <bare::DeliveryFuture as Future>::Output;

enum State {
    Waiting {
        bare: bare::DeliveryFuture,
        operation: ActiveOperation,
        waiter: Option<Waker>,
    },
    /// The report is there, and the operation is being ended.
    Ending {
        waiter: Option<Waker>,
    },
    Done(Option<Outcome>),
}

impl Report {
    fn poll(&self, context: &mut Context<'_>) -> Poll<Outcome> {
        match &mut *self.lock() {
            State::Waiting { waiter, .. } | State::Ending { waiter } => {
                *waiter = Some(context.waker().clone());
                Poll::Pending
            }
            State::Done(outcome) => outcome.take().map_or(Poll::Pending, Poll::Ready),
        }
    }

    /// Looks whether the report is there, and asks to be woken by it if not.
    fn advance(self: &Arc<Self>) {
        let Some((outcome, operation)) = self.take() else { return };
        // Span processors belong to the application: no lock is held while they run.
        report::end(
            operation,
            match &outcome {
                Ok(Ok(delivery)) => Ok((delivery.partition, delivery.offset)),
                Ok(Err((error, _))) => Err(error),
                Err(Canceled) => Err(&KafkaError::Canceled),
            },
        );
        let ending = mem::replace(&mut *self.lock(), State::Done(Some(outcome)));
        if let State::Ending { waiter: Some(waiter) } = ending {
            waiter.wake();
        }
    }

    /// Takes the report, if it is there, and the operation that it ends.
    fn take(self: &Arc<Self>) -> Option<(Outcome, ActiveOperation)> {
        let mut state = self.lock();
        let State::Waiting { bare, waiter, .. } = &mut *state else { return None };
        let wake = Waker::from(Arc::clone(self));
        let Poll::Ready(outcome) = Pin::new(bare).poll(&mut Context::from_waker(&wake)) else {
            return None;
        };
        let ending = State::Ending { waiter: waiter.take() };
        match mem::replace(&mut *state, ending) {
            State::Waiting { operation, .. } => Some((outcome, operation)),
            State::Ending { .. } | State::Done(_) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Report {
    fn wake(self: Arc<Self>) {
        self.advance();
    }
}
