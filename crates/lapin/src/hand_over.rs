//! Calls that the client takes when they are polled first.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use lapin::Result;
use otel_messaging_core::ActiveOperation;
use pin_project_lite::pin_project;

pin_project! {
    /// Runs a call of the client, and tells the operation when the client has taken it: at the first
    /// poll, unless that is an error. Returns the operation with the result.
    ///
    /// Cancel safety: dropped after the first poll, the client goes on, and the operation ends as
    /// handed over.
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct HandOver<C> {
        // Dropped first, while the operation still runs.
        #[pin]
        call: C,
        operation: Option<ActiveOperation>,
    }
}

impl<C> HandOver<C> {
    /// Hands a call over. It is no operation where the instrumentation is disabled.
    pub(crate) const fn new(call: C, operation: Option<ActiveOperation>) -> Self {
        Self { call, operation }
    }
}

impl<T, C: Future<Output = Result<T>>> Future for HandOver<C> {
    type Output = (Option<ActiveOperation>, Result<T>);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = this.call.poll(context);
        if let Some(operation) = this.operation
            && !matches!(polled, Poll::Ready(Err(_)))
        {
            operation.handed_over();
        }
        let result = ready!(polled);
        Poll::Ready((this.operation.take(), result))
    }
}
