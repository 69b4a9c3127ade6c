//! The future that runs an operation.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::{ActiveOperation, Failure, Outcome};

pin_project! {
    /// The future of `process` and its forms: runs a handler inside its operation, which starts at
    /// the first poll.
    ///
    /// It is a named type, as an async block would hold the handler twice, and a bound that is not
    /// met would be reported several times.
    ///
    /// Cancel safety: dropped before the end, the operation ends as dropped; see
    /// [`ActiveOperation`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Processing<'a, T, F, C = fn(&<F as Future>::Output) -> Option<Failure>> {
        // Dropped first, while the operation still runs.
        #[pin]
        future: F,
        start: Option<Start<'a, T>>,
        operation: ActiveOperation,
        classify: Option<C>,
    }
}

/// What is processed, and how that is started.
type Start<'a, T> = (&'a T, fn(&T) -> ActiveOperation);

impl<'a, T, F: Future, C> Processing<'a, T, F, C> {
    /// Runs `future` as the operation that `start` makes of `subject`; `classify` says what its
    /// result means.
    pub fn new(subject: &'a T, start: fn(&T) -> ActiveOperation, future: F, classify: C) -> Self {
        let start = Some((subject, start));
        Self { future, start, operation: ActiveOperation::none(), classify: Some(classify) }
    }
}

impl ActiveOperation {
    /// Runs `future` in the operation's context, and ends the operation with its result.
    ///
    /// Cancel safety: dropped before the end, the operation ends as dropped.
    pub fn run<F>(self, future: F) -> Processing<'static, (), F>
    where
        F: Future<Output: Outcome>,
    {
        Processing { future, start: None, operation: self, classify: Some(Outcome::failure) }
    }
}

impl<T, F, C> Future for Processing<'_, T, F, C>
where
    F: Future,
    C: FnOnce(&F::Output) -> Option<Failure>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Some((subject, start)) = this.start.take() {
            *this.operation = start(subject);
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

/// Ends the operation when the handler panics: the future itself may be dropped much later, when
/// the thread does not unwind any more.
struct EndWhenUnwinding<'a>(&'a mut ActiveOperation);

impl Drop for EndWhenUnwinding<'_> {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

impl<T, F: Future, C> fmt::Debug for Processing<'_, T, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processing").field("operation", &self.operation).finish_non_exhaustive()
    }
}
