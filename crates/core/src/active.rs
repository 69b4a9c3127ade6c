//! The guard of a running operation, which ends once (rule R24).

use opentelemetry::{Context, KeyValue, context::FutureExt, trace::SpanContext};

use crate::{Failure, Outcome, running::Running};

/// A running operation. It ends with [`end`](Self::end), [`fail`](Self::fail) or
/// [`end_with`](Self::end_with); dropped before, it ends as `cancelled`, or as `panic` while its
/// thread unwinds.
///
/// Of a disabled instrumentation it is empty and does nothing.
#[derive(Debug)]
#[must_use = "the operation ends when this is dropped"]
pub struct ActiveOperation(Option<Running>);

impl ActiveOperation {
    /// A function, as a constant would be copied in its full size.
    #[inline]
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    pub(crate) const fn running(running: Running) -> Self {
        Self(Some(running))
    }

    /// The context to work in: of a process operation the one whose span this is, otherwise what
    /// is current.
    ///
    /// Never hold an attached guard of it over an `.await` (rule R25): use
    /// [`opentelemetry::context::FutureExt::with_context`].
    pub fn context(&self) -> Context {
        self.own_context().unwrap_or_else(Context::current)
    }

    /// The span's context; invalid if the operation has no span.
    pub fn span_context(&self) -> SpanContext {
        self.0.as_ref().and_then(Running::span_context).unwrap_or(SpanContext::NONE)
    }

    /// Whether attributes are recorded: if not, they need not be computed.
    pub fn is_recording(&self) -> bool {
        self.0.as_ref().is_some_and(Running::is_recording)
    }

    /// Adds an attribute to the span, if it records.
    pub fn set_attribute(&mut self, attribute: KeyValue) {
        if let Some(running) = &mut self.0 {
            running.set_attribute(attribute);
        }
    }

    /// Says which partition the broker chose, for span and metrics.
    pub fn set_partition(&mut self, partition: u32) {
        if let Some(running) = &mut self.0 {
            running.set_partition(partition);
        }
    }

    /// Says that the client has taken the messages over: from here on they count as sent, and a
    /// drop is a hand-over that succeeded as far as anybody knows (rule R10).
    pub const fn handed_over(&mut self) {
        if let Some(running) = &mut self.0 {
            running.handed_over();
        }
    }

    /// Polls `future` in the operation's context, and ends the operation with its result.
    ///
    /// Cancel safety: dropped in the middle, the operation ends as `cancelled`.
    pub async fn run<F>(self, future: F) -> F::Output
    where
        F: Future<Output: Outcome>,
    {
        self.run_classified(future, Outcome::failure).await
    }

    /// [`run`](Self::run) where `classify` says what the result means.
    pub async fn run_classified<F, C>(self, future: F, classify: C) -> F::Output
    where
        F: Future,
        C: FnOnce(&F::Output) -> Option<Failure>,
    {
        let Some(context) = self.own_context() else { return future.await };
        let output = future.with_context(context).await;
        match classify(&output) {
            Some(failure) => self.fail(failure),
            None => self.end(),
        }
        output
    }

    /// Does `work` with the operation's context current.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let _current = self.own_context().map(Context::attach);
        work()
    }

    fn own_context(&self) -> Option<Context> {
        self.0.as_ref().and_then(Running::context)
    }

    /// Says that the client refused so many of a batch's messages: they were never sent, and are
    /// not counted.
    pub const fn withdraw(&mut self, messages: u64) {
        if let Some(running) = &mut self.0 {
            running.withdraw(messages);
        }
    }

    /// The operation succeeded.
    #[inline]
    pub fn end(mut self) {
        if let Some(running) = &mut self.0 {
            running.end(None);
        }
    }

    /// The operation failed. Of a send, the broker was asked and the messages count as sent.
    pub fn fail(mut self, failure: Failure) {
        if let Some(running) = &mut self.0 {
            running.handed_over();
            running.end(Some(failure));
        }
    }

    /// The client refused the messages: the operation failed, and nothing was sent.
    pub fn reject(mut self, failure: Failure) {
        if let Some(running) = &mut self.0 {
            running.end(Some(failure));
        }
    }

    /// The operation ended as `outcome` says.
    pub fn end_with<O: Outcome + ?Sized>(self, outcome: &O) {
        // Nobody is told: then it need not be computed.
        if self.0.is_none() {
            return;
        }
        match outcome.failure() {
            Some(failure) => self.fail(failure),
            None => self.end(),
        }
    }
}

impl Drop for ActiveOperation {
    #[inline]
    fn drop(&mut self) {
        if let Some(running) = &mut self.0 {
            running.end_unfinished();
        }
    }
}
