//! The creation context of a received message, and what happened to the message.

use opentelemetry::trace::SpanContext;

use crate::{
    CreationContext, Instrumenter, Operation, Trust, client::Message, message::progress::Progress,
};

/// The creation context of a message, and its progress.
pub(crate) struct MessageContext {
    creation: CreationContext,
    trust: Trust,
    instrumenter: Instrumenter,
    progress: Progress,
}

impl MessageContext {
    /// Joins what a message carries, which was read with such trust, with its instrumenter.
    #[inline]
    pub(crate) fn new(instrumenter: Instrumenter, creation: CreationContext, trust: Trust) -> Self {
        Self { creation, trust, instrumenter, progress: Progress::default() }
    }

    /// Takes as much of a context that was stored as would be taken from a message.
    pub(crate) fn restored<M: Message>(
        instrumenter: Instrumenter,
        mut creation: CreationContext,
        stored: &M,
    ) -> Self {
        let Some(inner) = &instrumenter.0 else {
            return Self::new(instrumenter, creation, Trust::Full);
        };
        let trust = inner.trust(Operation::RECEIVE, stored);
        match trust {
            Trust::Full => inner.settings.extracted_baggage.limit(&mut creation),
            Trust::Links => creation = creation.link_only(),
            Trust::None => creation = CreationContext::NONE,
        }
        Self::new(instrumenter, creation, trust)
    }

    pub(crate) const fn creation(&self) -> &CreationContext {
        &self.creation
    }

    /// Returns whether the creation context is valid and may be more than a link: a parent, or
    /// propagated.
    pub(crate) fn is_believed(&self) -> bool {
        self.trust == Trust::Full && self.creation.is_valid()
    }

    pub(crate) const fn instrumenter(&self) -> &Instrumenter {
        &self.instrumenter
    }

    /// Copies the context; the progress is shared with the copy.
    pub(crate) fn share(&self) -> Self {
        let (creation, instrumenter) = (self.creation.clone(), self.instrumenter.clone());
        Self { creation, trust: self.trust, instrumenter, progress: self.progress.share() }
    }

    /// Marks the message as consumed, and remembers the first span that processed it. Returns
    /// whether it was not counted before.
    #[inline]
    pub(crate) fn count(&self, processed_by: Option<&SpanContext>) -> bool {
        self.progress.count(processed_by)
    }

    /// Marks a message as consumed that nothing else can have seen yet.
    pub(crate) fn count_unshared(&mut self) {
        self.progress.count_unshared();
    }

    /// Returns the first span that processed the message.
    pub(crate) fn processed_by(&self) -> Option<SpanContext> {
        self.progress.processed_by()
    }
}
