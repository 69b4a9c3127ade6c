//! A future that runs as an operation.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::{ActiveOperation, Failure};

/// Runs `future` as the operation that `start` starts at the first poll, and ends the operation as
/// `classify` says of the result.
///
/// Cancel safety: dropped before the end, the operation ends as dropped; see [`ActiveOperation`].
pub fn run<S, F, C>(start: S, future: F, classify: C) -> impl Future<Output = F::Output>
where
    S: FnOnce() -> ActiveOperation,
    F: Future,
    C: FnOnce(&F::Output) -> Option<Failure>,
{
    Run { future, start: Some(start), operation: ActiveOperation::none(), classify: Some(classify) }
}

pin_project! {
    /// A struct, as an async block would hold the future twice. The future is dropped first, while
    /// the operation still runs.
    struct Run<S, F, C> {
        #[pin]
        future: F,
        start: Option<S>,
        operation: ActiveOperation,
        classify: Option<C>,
    }
}

impl<S, F, C> Future for Run<S, F, C>
where
    S: FnOnce() -> ActiveOperation,
    F: Future,
    C: FnOnce(&F::Output) -> Option<Failure>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Some(start) = this.start.take() {
            *this.operation = start();
        }
        let unwinding = EndWhenUnwinding(this.operation);
        let polled = unwinding.0.in_scope(|| this.future.poll(context));
        mem::forget(unwinding);
        if let Poll::Ready(output) = &polled
            && let Some(classify) = this.classify.take()
        {
            this.operation.take().end_classified(|| classify(output));
        }
        polled
    }
}

/// Ends the operation while the panic of a handler passes by: the future itself may be dropped
/// much later, when the thread unwinds no more.
struct EndWhenUnwinding<'a>(&'a mut ActiveOperation);

impl Drop for EndWhenUnwinding<'_> {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}
