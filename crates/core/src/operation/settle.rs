//! Settling: messages are acknowledged, rejected or committed.

use opentelemetry::trace::TraceContextExt;

use crate::{
    ActiveOperation, Destination, Instrumenter, Operation, Received,
    client::Message,
    span::start::{Start, Subject},
};

impl<M: Message> Received<M> {
    /// Starts to settle this message: a CLIENT span that links to the creation context and is a
    /// child of the ambient span, else of the one that processed the message first.
    pub fn settle(&self, operation: Operation) -> ActiveOperation {
        let Some(inner) = &self.instrumenter().0 else { return ActiveOperation::none() };
        let Some(ambient) = inner.ambient() else { return ActiveOperation::none() };
        let is_wanted = inner.settings.settle_spans;
        let subject = Subject::Message(self.get_ref());
        let Some(mut start) = Start::new(inner, operation, subject, is_wanted) else {
            return ActiveOperation::none();
        };
        start.link(self.creation_context().span_context());
        let processed_by = (start.wants_span() && !ambient.span().span_context().is_valid())
            .then(|| self.context.processed_by())
            .flatten();
        ActiveOperation::running(match processed_by {
            Some(span) => start.begin(&ambient.with_remote_span_context(span)),
            None => start.begin(&ambient),
        })
    }
}

impl Instrumenter {
    /// Starts to settle messages that are not at hand, at one destination or several.
    pub fn settle(
        &self,
        operation: Operation,
        destination: Option<Destination<'_>>,
    ) -> ActiveOperation {
        let Some(inner) = &self.0 else { return ActiveOperation::none() };
        let Some(ambient) = inner.ambient() else { return ActiveOperation::none() };
        let is_wanted = inner.settings.settle_spans;
        let start = Start::new(inner, operation, Subject::Destination(destination), is_wanted);
        ActiveOperation::running(start.and_then(|mut start| start.begin(&ambient)))
    }
}
