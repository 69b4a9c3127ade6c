//! What becomes of a record: the delivery report as a future (rule R10).

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker, ready},
};

use futures_channel::oneshot::Canceled;
use otel_messaging_core::Endpoint;
use rdkafka::{
    error::KafkaError,
    producer::{self as bare, future_producer::Delivery},
};

use super::report::Pending;
use crate::message::OwnedMessage;

/// What became of a record: where it is, or the error with the message.
pub type OwnedDeliveryResult = Result<Delivery, (KafkaError, OwnedMessage)>;

pub(super) type DeliveryOutcome = Result<OwnedDeliveryResult, Canceled>;

/// [`rdkafka::producer::DeliveryFuture`], instrumented: what becomes of a record.
///
/// Dropping it does not recall the record, and its span ends with the delivery report all the
/// same: the report itself wakes what ends the span, in the producer's polling thread.
#[derive(Debug)]
#[must_use = "the result of the delivery is lost if this is not awaited"]
pub struct DeliveryFuture(Delivering);

#[derive(Debug)]
enum Delivering {
    /// Of a disabled instrumentation: nothing waits for the report but the caller.
    Untold(Untold),
    Told(Arc<Report>),
}

impl DeliveryFuture {
    pub(super) fn new(report: bare::DeliveryFuture, pending: Pending, endpoint: &Endpoint) -> Self {
        if !endpoint.is_enabled() {
            return Self(Delivering::Untold(Untold(report)));
        }
        let report = Arc::new(Report {
            state: Mutex::new(State::Waiting { report, pending, waker: None }),
            endpoint: endpoint.clone(),
        });
        report.advance();
        Self(Delivering::Told(report))
    }
}

impl Future for DeliveryFuture {
    type Output = DeliveryOutcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let report = match &mut self.0 {
            Delivering::Told(report) => report,
            Delivering::Untold(Untold(report)) => {
                let outcome = ready!(Pin::new(report).poll(context));
                return Poll::Ready(outcome.map(|result| owned(result, &Endpoint::disabled())));
            }
        };
        let mut state = report.lock();
        match &mut *state {
            State::Waiting { waker, .. } | State::Ending { waker } => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            State::Done(outcome) => outcome.take().map_or(Poll::Pending, Poll::Ready),
        }
    }
}

/// The client's own result with our message.
fn owned(
    result: bare::future_producer::OwnedDeliveryResult,
    endpoint: &Endpoint,
) -> OwnedDeliveryResult {
    result.map_err(|(error, message)| (error, OwnedMessage::held(endpoint, message)))
}

/// The client's own future.
struct Untold(bare::DeliveryFuture);

impl std::fmt::Debug for Untold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Untold").finish_non_exhaustive()
    }
}

/// What is shared between the future and the report's waker.
struct Report {
    state: Mutex<State>,
    endpoint: Endpoint,
}

#[expect(clippy::large_enum_variant, reason = "there is one a record, on the heap already")]
enum State {
    Waiting {
        report: bare::DeliveryFuture,
        pending: Pending,
        waker: Option<Waker>,
    },
    /// The report is there, and the span is being ended.
    Ending {
        waker: Option<Waker>,
    },
    Done(Option<DeliveryOutcome>),
}

impl Report {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whether the report is there, and asks to be woken by it if not.
    fn advance(self: &Arc<Self>) {
        let (outcome, pending) = {
            let mut state = self.lock();
            let State::Waiting { report, waker, .. } = &mut *state else { return };
            let wake = Waker::from(Arc::clone(self));
            let Poll::Ready(outcome) = Pin::new(report).poll(&mut Context::from_waker(&wake))
            else {
                return;
            };
            let ending = State::Ending { waker: waker.take() };
            let State::Waiting { pending, .. } = mem::replace(&mut *state, ending) else { return };
            (outcome, pending)
        };
        // The span's processors are the application's: no lock is held while they run.
        let outcome = outcome.map(|result| owned(result, &self.endpoint));
        match &outcome {
            Ok(Ok(delivery)) => pending.delivered(delivery.partition, delivery.offset),
            Ok(Err((error, _))) => pending.failed(error),
            Err(_) => pending.failed(&KafkaError::Canceled),
        }
        let waiting = mem::replace(&mut *self.lock(), State::Done(Some(outcome)));
        if let State::Ending { waker: Some(waker) } = waiting {
            waker.wake();
        }
    }
}

impl Wake for Report {
    fn wake(self: Arc<Self>) {
        self.advance();
    }
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}
