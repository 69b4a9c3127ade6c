//! The future of a client's call that is an operation.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use lapin::Result;
use otel_messaging_core::ActiveOperation;
use pin_project_lite::pin_project;

pin_project! {
    /// Starts an operation and a call of the client at the first poll, and ends the operation with
    /// the call's result.
    ///
    /// It is a named type, as async functions around a call would hold its arguments and the
    /// client's future once each; here the future takes the place of the arguments.
    ///
    /// Cancel safety: dropped before the first poll, nothing happens. Dropped after it, the client
    /// goes on, and the operation ends as handed over.
    #[project = Step]
    #[must_use = "futures do nothing unless polled"]
    pub(crate) enum HandOver<S, C, E> {
        Waiting {
            start: Option<S>,
        },
        Running {
            // Dropped first, while the operation still runs.
            #[pin]
            call: C,
            operation: Option<ActiveOperation>,
            end: Option<E>,
        },
    }
}

/// A call of the client, the operation that it is, if any, and what ends that with the result.
pub(crate) type Started<C, E> = (C, Option<ActiveOperation>, E);

impl<S, C, E> HandOver<S, C, E>
where
    S: FnOnce() -> Started<C, E>,
{
    pub(crate) const fn new(start: S) -> Self {
        Self::Waiting { start: Some(start) }
    }

    /// Makes a call that is no operation, as the instrumentation is disabled.
    pub(crate) const fn without_operation(call: C, end: E) -> Self {
        Self::Running { call, operation: None, end: Some(end) }
    }
}

impl<S, C, E, T, O> Future for HandOver<S, C, E>
where
    S: FnOnce() -> Started<C, E>,
    C: Future<Output = Result<T>>,
    E: FnOnce(Option<ActiveOperation>, Result<T>) -> O,
{
    type Output = O;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        if let Step::Waiting { start } = self.as_mut().project()
            && let Some(start) = start.take()
        {
            let (call, operation, end) = start();
            self.set(Self::Running { call, operation, end: Some(end) });
        }
        let mut unwinding = DropWhenUnwinding(self);
        let ended = match unwinding.0.as_mut().project() {
            Step::Waiting { .. } => None,
            Step::Running { call, operation, end } => {
                let polled = call.poll(context);
                // The client takes a call at the first poll, unless that is an error.
                if let Some(operation) = operation
                    && !matches!(polled, Poll::Ready(Err(_)))
                {
                    operation.handed_over();
                }
                match polled {
                    Poll::Ready(result) => end.take().map(|end| (end, operation.take(), result)),
                    Poll::Pending => None,
                }
            }
        };
        mem::forget(unwinding);
        ended.map_or(Poll::Pending, |(end, operation, result)| Poll::Ready(end(operation, result)))
    }
}

/// Ends the operation when the client panics: the future itself may be dropped much later, when the
/// thread does not unwind any more.
struct DropWhenUnwinding<'a, S, C, E>(Pin<&'a mut HandOver<S, C, E>>);

impl<S, C, E> Drop for DropWhenUnwinding<'_, S, C, E> {
    fn drop(&mut self) {
        self.0.set(HandOver::Waiting { start: None });
    }
}
