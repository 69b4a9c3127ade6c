//! The future of a call of the client that is an operation.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

pin_project! {
    /// Starts an operation and calls the client at the first poll, and ends the operation with the
    /// result. The function that starts returns the client's future, and what is done with its
    /// result; one of the two holds the operation.
    ///
    /// It is a named type, as an async block would hold the message twice: as its own and as the
    /// client's future has it. Publishers have such futures by the thousand.
    ///
    /// Cancel safety: dropped before the first poll, nothing happens. Dropped before the end, or
    /// when the client panics, the operation ends as dropped.
    #[project = Step]
    #[must_use = "futures do nothing unless polled"]
    pub enum Call<S, F, E> {
        #[doc(hidden)]
        Waiting {
            start: Option<S>,
        },
        #[doc(hidden)]
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
    /// Calls the client by `start`.
    pub const fn new(start: S) -> Self {
        Self::Waiting { start: Some(start) }
    }

    /// Waits for a future of the client that is no operation, as the instrumentation is disabled.
    pub const fn without_operation(future: F, end: E) -> Self {
        Self::Running { future, end: Some(end) }
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
        let mut unwinding = DropWhenUnwinding(self.as_mut());
        let polled = match unwinding.0.as_mut().project() {
            Step::Running { future, .. } => future.poll(context),
            Step::Waiting { .. } => Poll::Pending,
        };
        mem::forget(unwinding);
        let result = ready!(polled);
        match self.project() {
            Step::Running { end, .. } => {
                end.take().map_or(Poll::Pending, |end| Poll::Ready(end(result)))
            }
            Step::Waiting { .. } => Poll::Pending,
        }
    }
}

/// Ends the operation when the client panics: the future itself may be dropped much later, when the
/// thread does not unwind any more.
struct DropWhenUnwinding<'a, S, F, E>(Pin<&'a mut Call<S, F, E>>);

impl<S, F, E> Drop for DropWhenUnwinding<'_, S, F, E> {
    fn drop(&mut self) {
        self.0.set(Call::Waiting { start: None });
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future,
        panic::{AssertUnwindSafe, catch_unwind},
        pin::pin,
        task::{Context, Waker},
        thread,
    };

    use super::*;

    /// Notes whether its thread unwinds when it is dropped.
    struct Noting<'a>(&'a Cell<Option<bool>>);

    impl Drop for Noting<'_> {
        fn drop(&mut self) {
            self.0.set(Some(thread::panicking()));
        }
    }

    #[test]
    fn the_operation_ends_while_the_thread_unwinds() {
        let dropped = Cell::new(None);
        let client = future::poll_fn(|_| -> Poll<()> { panic!("the client panics") });
        let mut call = pin!(Call::new(|| {
            let operation = Noting(&dropped);
            (client, move |()| drop(operation))
        }));
        let mut context = Context::from_waker(Waker::noop());
        let poll = AssertUnwindSafe(|| call.as_mut().poll(&mut context));
        assert!(catch_unwind(poll).is_err());
        assert_eq!(dropped.get(), Some(true));
    }

    #[test]
    fn nothing_starts_before_the_first_poll() {
        let started = Cell::new(false);
        let mut call = pin!(Call::new(|| {
            started.set(true);
            (future::ready(7), |result| result + 1)
        }));
        assert!(!started.get());
        assert_eq!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(8));
        assert!(started.get());
    }
}
