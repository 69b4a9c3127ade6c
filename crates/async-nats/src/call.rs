//! The future of a call of the client inside an operation.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

pin_project! {
    /// Calls the client at the first poll, and ends the operation with the result. `start` returns
    /// the client's future and what is done with its result, which holds the operation.
    ///
    /// It is a named type, as an async block would hold the message twice: as its own and as the
    /// client's future has it. Publishers have such futures by the thousand.
    ///
    /// Cancel safety: dropped before the end, the operation ends as dropped.
    #[project = Step]
    #[must_use = "futures do nothing unless polled"]
    pub(crate) enum Call<S, F, E> {
        Waiting {
            start: Option<S>,
        },
        Running {
            // Dropped first, while the operation still runs.
            #[pin]
            future: F,
            end: Option<E>,
        },
    }
}

impl<S, F, E, T> Call<S, F, E>
where
    S: FnOnce() -> (F, E),
    F: Future,
    E: FnOnce(F::Output) -> T,
{
    pub(crate) const fn new(start: S) -> Self {
        Self::Waiting { start: Some(start) }
    }
}

impl<S, F, E, T> Future for Call<S, F, E>
where
    S: FnOnce() -> (F, E),
    F: Future,
    E: FnOnce(F::Output) -> T,
{
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        if let Step::Waiting { start } = self.as_mut().project() {
            let Some(start) = start.take() else { return Poll::Pending };
            let (future, end) = start();
            self.set(Self::Running { future, end: Some(end) });
        }
        let Step::Running { future, end } = self.project() else { return Poll::Pending };
        let result = ready!(future.poll(context));
        end.take().map_or(Poll::Pending, |end| Poll::Ready(end(result)))
    }
}
