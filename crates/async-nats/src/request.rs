//! A request that waits for its reply.
//!
//! The client does not say when it has taken a request, and only then does it count as sent. But
//! the future of a request keeps the payload until it hands the message to the client's queue: at
//! its first poll, or later if the queue is full. So a payload that this future drops was never
//! taken, and one that the client's own task drops was.

use std::{
    cell::Cell,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use ::async_nats::{
    Message as BareMessage, Request, RequestError, RequestErrorKind, ToSubject,
    client::traits::Requester,
};
use bytes::Bytes;
use otel_messaging_core::{ActiveOperation, client::Call};
use pin_project_lite::pin_project;

use crate::{
    client::Client, error_type::Classify as _, message::Message, outgoing::outbound, semconv,
};

impl Client {
    /// Asks by this client or by a JetStream context, which has another timeout.
    pub(crate) fn ask(
        &self,
        requester: &impl Requester,
        subject: impl ToSubject,
        mut request: Request,
    ) -> impl Future<Output = Result<Message, RequestError>> {
        let connection = self.connection();
        Call::new(move || {
            let clock = connection.clock();
            let mut subject = subject.to_subject();
            let mut asked = None;
            if connection.is_enabled() {
                let payload = request.payload.take().unwrap_or_default();
                let mut message = outbound(subject, request.headers.take(), payload);
                let operation = connection.send(semconv::REQUEST, &mut message, None);
                let (payload, watch) = Watch::over(message.payload);
                request.payload = Some(payload);
                request.headers = message.headers;
                subject = message.subject;
                asked = Some((operation, watch));
            }
            let reply = Asking { future: Some(requester.send_request(subject, request)), asked };
            let receive =
                move |reply| Message::new(connection.receive(semconv::RECEIVE, clock, reply));
            (reply, move |reply: Result<_, _>| reply.map(receive))
        })
    }
}

pin_project! {
    /// The client's future of a request, which ends the send operation.
    ///
    /// Dropped once the client has taken the message, the operation ends as a hand-over without an
    /// answer; dropped before, as `cancelled`.
    pub(crate) struct Asking<F> {
        #[pin]
        future: Option<F>,
        // `None` without telemetry.
        asked: Option<(ActiveOperation, Watch)>,
    }

    impl<F> PinnedDrop for Asking<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            by_future(|| this.future.set(None));
            if let Some((operation, payload)) = this.asked && !payload.was_returned() {
                operation.handed_over();
            }
        }
    }
}

impl<F> Future for Asking<F>
where
    F: Future<Output = Result<BareMessage, RequestError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(future) = this.future.as_pin_mut() else { return Poll::Pending };
        let result = ready!(by_future(|| future.poll(context)));
        if let Some((operation, payload)) = this.asked.take() {
            match &result {
                Ok(_) => operation.end(),
                Err(error) if payload.was_refused(error) => operation.reject(error.failure()),
                Err(error) => operation.fail(error.failure()),
            }
        }
        Poll::Ready(result)
    }
}

/// Notes what becomes of a request's payload.
#[derive(Debug)]
pub(crate) struct Watch(Arc<AtomicBool>);

impl Watch {
    /// Returns the payload to send instead of `bytes`, which it holds.
    pub(crate) fn over(bytes: Bytes) -> (Bytes, Self) {
        let returned = Arc::new(AtomicBool::new(false));
        let watched = Watched { bytes, returned: Arc::clone(&returned) };
        (Bytes::from_owner(watched), Self(returned))
    }

    /// Returns whether the client's future dropped the payload.
    fn was_returned(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns whether the client refused the message: its future dropped the payload, or the
    /// client's queue is closed and the error has the payload.
    fn was_refused(&self, error: &RequestError) -> bool {
        let is_held = Arc::strong_count(&self.0) > 1;
        self.was_returned() || is_held && error.kind() == RequestErrorKind::Other
    }
}

struct Watched {
    bytes: Bytes,
    returned: Arc<AtomicBool>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if BY_FUTURE.get() {
            self.returned.store(true, Ordering::Relaxed);
        }
    }
}

thread_local! {
    /// Whether this thread is within the client's future of a request.
    static BY_FUTURE: Cell<bool> = const { Cell::new(false) };
}

fn by_future<T>(work: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            BY_FUTURE.set(self.0);
        }
    }
    let _reset = Reset(BY_FUTURE.replace(true));
    work()
}
