//! Processing: the application works on a message.

use opentelemetry::trace::TraceContextExt;

use crate::{
    ActiveOperation, MessageView, Operation, ProcessParent, Received,
    client::Message,
    instrumenter::Inner,
    span::{
        ambient::without_span,
        end::OperationState,
        innermost,
        start::{Start, Subject},
    },
};

impl<M: Message> Received<M> {
    /// Starts the process span and returns its guard, for code that is neither one future nor one
    /// closure. Work in [`ActiveOperation::context`]; dropped without `end`, the span is recorded
    /// as `cancelled`.
    #[inline]
    pub fn start_process(&self) -> ActiveOperation {
        match &self.instrumenter().0 {
            Some(inner) => self.start_enabled(inner),
            None => ActiveOperation::none(),
        }
    }

    fn start_enabled(&self, inner: &Inner) -> ActiveOperation {
        let Some(ambient) = inner.ambient() else { return ActiveOperation::none() };
        let creation = self.creation_context();
        // Samplers and span processors see the message's baggage in the parent context.
        let ambient = creation.bring_baggage(ambient);
        let has_ambient = ambient.span().span_context().is_valid();
        let subject = Subject::Message(self.get_ref());
        let is_believed = self.context.is_believed();
        let view = || MessageView::of(Operation::PROCESS, self.get_ref());
        let choice = inner.settings.process_parent(view);
        let in_creation = || ambient.with_remote_span_context(creation.span_context().clone());
        let other_parent = match choice {
            ProcessParent::Root => Some(without_span(&ambient)),
            ProcessParent::CreationContext if is_believed => Some(in_creation()),
            ProcessParent::CreationContextIfNoAmbient if is_believed && !has_ambient => {
                Some(in_creation())
            }
            _ => None,
        };
        let start = Start::new(inner, Operation::PROCESS, subject, true);
        let state = start.and_then(|mut start| {
            start.link_creation(creation.span_context());
            if other_parent.is_some() {
                start.link(ambient.span().span_context());
            }
            if choice == ProcessParent::Root {
                start.set_root();
            }
            start.begin(other_parent.as_ref().unwrap_or(&ambient))
        });
        let own = state.as_ref().and_then(OperationState::span_context);
        let is_first = self.context.count(own.as_ref());
        // Without a span of its own, the message's context is propagated.
        let without_own = || {
            if is_believed && (!has_ambient || other_parent.is_some()) {
                in_creation()
            } else {
                ambient.clone()
            }
        };
        let Some(mut state) = state else { return ActiveOperation::in_context(without_own()) };
        state.count(u64::from(is_first));
        state.work_in(&ambient, without_own);
        ActiveOperation::running(Some(state))
    }
}

/// Calls `work` with an empty context, for callbacks that a client makes from within an unrelated
/// call of the application.
pub fn without_ambient<T>(work: impl FnOnce() -> T) -> T {
    innermost::detached(work)
}
