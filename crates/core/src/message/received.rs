//! A message together with the context it was created in.

use std::fmt;

#[cfg(feature = "otel")]
use crate::message::message_context::MessageContext;
#[cfg(not(feature = "otel"))]
use crate::off::MessageContext;
use crate::{CreationContext, Instrumenter, client::Message, process_forms};

/// A message that was received, and the context it was created in.
///
/// Client crates build their own message types on it, so that those can have the client's methods.
pub struct Received<M> {
    message: M,
    pub(crate) context: MessageContext,
}

/// Gives access to the [`Received`] message behind a client crate's message type, which may then be
/// a member of a [`Batch`](crate::Batch).
pub trait AsReceived {
    /// The client's message.
    type Message: Message;

    /// Returns the message with its creation context.
    fn as_received(&self) -> &Received<Self::Message>;
}

impl<M> Received<M> {
    pub(crate) const fn new(message: M, context: MessageContext) -> Self {
        Self { message, context }
    }

    /// Returns the message.
    pub const fn get_ref(&self) -> &M {
        &self.message
    }

    /// Returns the message, to be changed.
    pub const fn get_mut(&mut self) -> &mut M {
        &mut self.message
    }

    /// Returns the message without its creation context.
    pub fn into_inner(self) -> M {
        self.message
    }

    /// Replaces the message by another form of it, such as a copy outside of the client's memory.
    pub fn map<N>(self, form: impl FnOnce(M) -> N) -> Received<N> {
        Received { message: form(self.message), context: self.context }
    }

    /// Copies the message into another form. Both stay the same message: it is counted as consumed
    /// once, and settling one is a child of the span that processed the other.
    pub fn map_ref<N>(&self, form: impl FnOnce(&M) -> N) -> Received<N> {
        Received { message: form(&self.message), context: self.context.share() }
    }

    /// Returns the context the message was created in; [`CreationContext::NONE`] if it carried
    /// none.
    pub const fn creation_context(&self) -> &CreationContext {
        self.context.creation()
    }

    /// Returns the instrumenter that received it.
    pub const fn instrumenter(&self) -> &Instrumenter {
        self.context.instrumenter()
    }
}

impl<M: Message> Received<M> {
    process_forms! {
        /// Runs `future` inside a CONSUMER span that links to the span which sent the message. Make
        /// spans of your own inside `future`: one that is made before, as in
        /// `process(work.instrument(info_span!("bill")))`, is apart from it. Write
        /// `process(async { work.instrument(info_span!("bill")).await })`.
        ///
        /// The span starts at the first poll, is current inside `future` at every `.await`, and
        /// ends with the result: `()` or any `Result`, whose `Err` marks the span. A panic ends it
        /// as an error and goes on unwinding.
        ///
        /// Cancel safety: dropped before the end, the span ends as `cancelled`.
    }
}

impl<M: Message> AsReceived for Received<M> {
    type Message = M;

    fn as_received(&self) -> &Self {
        self
    }
}

impl<M: fmt::Debug> fmt::Debug for Received<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("message", &self.message)
            .field("creation", self.creation_context())
            .finish_non_exhaustive()
    }
}
