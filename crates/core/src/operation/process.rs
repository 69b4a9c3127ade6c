//! Processing: the application works on a message.

use opentelemetry::{global::BoxedSpan, trace::TraceContextExt};

use crate::{
    ActiveOperation, Operation, ProcessParent, Received,
    client::Message,
    span::{
        end::OperationState,
        innermost,
        start::{Start, Subject},
    },
};

impl<M: Message> Received<M> {
    /// Starts the process span and returns its guard, for code that is neither one future nor one
    /// closure. Work in [`ActiveOperation::context`]; dropped without `end`, the span is recorded
    /// as `cancelled`.
    pub fn start_process(&self) -> ActiveOperation {
        let Some(inner) = &self.instrumenter().0 else { return ActiveOperation::none() };
        let Some(ambient) = inner.ambient() else { return ActiveOperation::none() };
        let creation = self.creation_context();
        // Samplers and span processors see the message's baggage in the parent context.
        let ambient = creation.bring_baggage(ambient);
        let has_ambient = ambient.span().span_context().is_valid();
        let creation_is_parent = creation.is_valid()
            && match inner.settings.process_parent {
                ProcessParent::Ambient => false,
                ProcessParent::CreationContextIfNoAmbient => !has_ambient,
                ProcessParent::CreationContext => true,
            };
        let subject = Subject::Message(self.get_ref());
        let mut start = Start::new(inner, Operation::PROCESS, subject, true);
        start.link(creation.span_context());
        let state = if creation_is_parent {
            start.link(ambient.span().span_context());
            start.begin(&ambient.with_remote_span_context(creation.span_context().clone()))
        } else {
            start.begin(&ambient)
        };
        let own = state.as_ref().and_then(OperationState::span_context);
        let is_first = self.context.count(own.as_ref());
        let context = |span: Option<BoxedSpan>| match span {
            Some(span) => ambient.with_span(span),
            // Without a span of its own, the message's context is propagated.
            None if !has_ambient && creation.is_valid() => {
                ambient.with_remote_span_context(creation.span_context().clone())
            }
            None => ambient.clone(),
        };
        let Some(mut state) = state else { return ActiveOperation::in_context(context(None)) };
        state.count(u64::from(is_first));
        state.work_in(context);
        ActiveOperation::running(Some(state))
    }
}

/// Calls `work` with an empty context, for callbacks that a client makes from within an unrelated
/// call of the application.
pub fn without_ambient<T>(work: impl FnOnce() -> T) -> T {
    innermost::detached(work)
}
