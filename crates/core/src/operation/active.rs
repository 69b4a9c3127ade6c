//! The guard of a running operation, which ends once.

use std::mem;

use opentelemetry::{Context, trace::SpanContext};

use crate::{
    Failure, Outcome,
    batch::share::Share,
    client::AttributeValue,
    span::{ambient::ambient, end::OperationState, innermost},
};

/// The guard of a running operation: its span and its metrics.
///
/// End it with [`end`](Self::end), [`fail`](Self::fail), [`reject`](Self::reject) or
/// [`end_with`](Self::end_with). Dropped before that, it ends
///
/// - as a hand-over without an error, after [`handed_over`](Self::handed_over);
/// - as `panic`, while its thread unwinds;
/// - as `cancelled` otherwise.
///
/// The guard of a disabled instrumentation is empty and does nothing.
#[derive(Debug)]
#[must_use = "the operation ends when this is dropped"]
pub struct ActiveOperation(State);

#[derive(Debug)]
enum State {
    /// Disabled, suppressed, or ended.
    None,
    /// Neither span nor metrics: the application works in this context.
    Context(Context),
    Running(OperationState<'static>),
    /// One message of a batch that is sent.
    Share(Share),
}

impl ActiveOperation {
    #[inline]
    pub(crate) const fn none() -> Self {
        Self(State::None)
    }

    pub(crate) const fn in_context(context: Context) -> Self {
        Self(State::Context(context))
    }

    pub(crate) fn running(state: Option<OperationState<'_>>) -> Self {
        Self(state.map_or(State::None, |state| State::Running(state.into_owned())))
    }

    pub(crate) const fn share(share: Share) -> Self {
        Self(State::Share(share))
    }

    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        Self(mem::replace(&mut self.0, State::None))
    }

    /// Drops the operation without its end, which something else will tell.
    pub(crate) fn forget(&mut self) {
        if let Some(state) = self.running_mut() {
            state.forget();
        }
    }

    pub(crate) const fn state(&self) -> Option<&OperationState<'static>> {
        match &self.0 {
            State::Running(state) => Some(state),
            State::None | State::Context(_) | State::Share(_) => None,
        }
    }

    fn running_mut(&mut self) -> Option<&mut OperationState<'static>> {
        match &mut self.0 {
            State::Running(state) => Some(state),
            State::None | State::Context(_) | State::Share(_) => None,
        }
    }

    fn own_context(&self) -> Option<&Context> {
        match &self.0 {
            State::Context(context) => Some(context),
            State::Running(state) => state.context(),
            State::None | State::Share(_) => None,
        }
    }

    /// Returns the context to work in: that of the process span of a process operation, and the
    /// ambient one otherwise.
    ///
    /// Never hold an attached guard of it over an `.await`: use
    /// [`opentelemetry::context::FutureExt::with_context`].
    pub fn context(&self) -> Context {
        self.own_context().cloned().unwrap_or_else(ambient)
    }

    /// Returns the span's context; invalid if the operation has no span. A send span that does not
    /// record is dropped once its context is in the message, and has none either.
    pub fn span_context(&self) -> SpanContext {
        match &self.0 {
            State::Running(state) => state.span_context().unwrap_or(SpanContext::NONE),
            State::None | State::Context(_) | State::Share(_) => SpanContext::NONE,
        }
    }

    /// Returns whether there is a span or metrics to end: if not, the guard need not be kept.
    pub const fn is_running(&self) -> bool {
        match &self.0 {
            State::Running(_) | State::Share(_) => true,
            State::None | State::Context(_) => false,
        }
    }

    /// Returns whether the span records: if not, attributes need not be computed.
    pub const fn is_recording(&self) -> bool {
        match &self.0 {
            State::Running(state) => state.is_recording(),
            State::None | State::Context(_) | State::Share(_) => false,
        }
    }

    /// Adds an attribute to the span, if it records.
    pub fn set_attribute<'a>(&mut self, key: &'static str, value: impl Into<AttributeValue<'a>>) {
        if self.is_recording()
            && let Some(state) = self.running_mut()
        {
            state.set_attribute(value.into().to_key_value(key));
        }
    }

    /// Sets the partition that the broker chose, on span and metrics.
    pub fn set_partition(&mut self, partition: u32) {
        if let Some(state) = self.running_mut() {
            state.set_partition(partition);
        }
    }

    /// Says that the client has taken the message: it counts as sent from here on, and a drop ends
    /// the operation without an error. Ends the span of a single message, if
    /// [`SendSpanEnd`](crate::SendSpanEnd) says so.
    pub fn handed_over(&mut self) {
        self.take_span().end();
        match &mut self.0 {
            State::Running(state) => state.handed_over(),
            State::Share(share) => share.handed_over(),
            State::None | State::Context(_) => {}
        }
    }

    /// Takes out the span, if [`SendSpanEnd`](crate::SendSpanEnd) says that it ends when the client
    /// has taken the message, for clients that keep the operation from there on. End it then, and
    /// this operation with the broker's answer; or reject both.
    pub fn take_span(&mut self) -> Self {
        let Some(state) = self.running_mut() else { return Self::none() };
        let span = state.take_send_span();
        if span.is_some() && !state.has_end() {
            self.0 = State::None;
        }
        Self::running(span)
    }

    /// Calls `work` with the operation's context current.
    pub fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.0 {
            State::Context(context) => innermost::in_scope(context.clone(), work),
            State::Running(state) => state.in_scope(work),
            State::None | State::Share(_) => work(),
        }
    }

    /// Ends the operation successfully.
    #[inline]
    pub fn end(mut self) {
        self.finish(None);
    }

    /// Ends the operation with a failure. The messages of a send count as sent.
    pub fn fail(mut self, failure: Failure) {
        self.handed_over();
        self.finish(Some(failure));
    }

    /// Ends the operation with a failure of the client, which refused the messages: they do not
    /// count as sent.
    pub fn reject(mut self, failure: Failure) {
        self.finish(Some(failure));
    }

    /// Ends the operation as `outcome` says.
    pub fn end_with<O: Outcome + ?Sized>(self, outcome: &O) {
        self.end_classified(|| outcome.failure());
    }

    /// Ends the operation as `classify` says, which is not called where nothing records the result.
    pub(crate) fn end_classified(self, classify: impl FnOnce() -> Option<Failure>) {
        match &self.0 {
            State::None | State::Context(_) => {}
            State::Running(_) | State::Share(_) => match classify() {
                Some(failure) => self.fail(failure),
                None => self.end(),
            },
        }
    }

    #[inline]
    fn finish(&mut self, failure: Option<Failure>) {
        match &mut self.0 {
            State::Running(state) => state.end(failure),
            State::Share(share) => share.end(failure),
            State::None | State::Context(_) => {}
        }
    }
}

impl Drop for ActiveOperation {
    #[inline]
    fn drop(&mut self) {
        match &mut self.0 {
            State::Running(state) => state.end_dropped(),
            State::Share(share) => share.end_dropped(),
            State::None | State::Context(_) => {}
        }
    }
}
