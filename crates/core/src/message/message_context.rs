//! The creation context of a received message, and what happened to the message.

use opentelemetry::trace::SpanContext;

use crate::{CreationContext, Instrumenter, message::progress::Progress};

/// The creation context of a message, and its progress.
pub(crate) struct MessageContext {
    creation: CreationContext,
    instrumenter: Instrumenter,
    progress: Progress,
}

impl MessageContext {
    pub(crate) fn new(instrumenter: Instrumenter, creation: CreationContext) -> Self {
        Self { creation, instrumenter, progress: Progress::default() }
    }

    pub(crate) const fn creation(&self) -> &CreationContext {
        &self.creation
    }

    pub(crate) const fn instrumenter(&self) -> &Instrumenter {
        &self.instrumenter
    }

    /// Copies the context; the progress is shared with the copy.
    pub(crate) fn share(&self) -> Self {
        let (creation, instrumenter) = (self.creation.clone(), self.instrumenter.clone());
        Self { creation, instrumenter, progress: self.progress.share() }
    }

    /// Marks the message as consumed, and remembers the first span that processed it. Returns
    /// whether it was not counted before.
    pub(crate) fn count(&self, processed_by: Option<&SpanContext>) -> bool {
        self.progress.count(processed_by)
    }

    /// Returns the first span that processed the message.
    pub(crate) fn processed_by(&self) -> Option<SpanContext> {
        self.progress.processed_by()
    }
}
