//! Receiving: messages that are handed to the application.

use crate::{
    AsReceived, CreationContext, Destination, Failure, Instrumenter, Operation, ReceiveSpans,
    Received, Trust,
    client::{Clock, Message},
    instrumenter::Inner,
    message::message_context::MessageContext,
    span::{
        links::{Common, Members},
        start::{Start, Subject},
    },
};

impl Instrumenter {
    /// Reads the context of a message, as far as [`Trust`] says, and keeps both together, without
    /// counting the message yet. It is counted as consumed by [`Received::receive`], by the batch
    /// that receives it, or when it is processed.
    #[inline]
    pub fn extract<M: Message>(&self, message: M) -> Received<M> {
        let (creation, trust) = match &self.0 {
            Some(inner) => {
                let trust = inner.trust(Operation::RECEIVE, &message);
                (inner.extract(&message, trust), trust)
            }
            None => (CreationContext::NONE, Trust::None),
        };
        Received::new(message, MessageContext::new(self.clone(), creation, trust))
    }

    /// Extracts a message's context and receives the message, in one step.
    #[inline]
    pub fn receive<M: Message>(
        &self,
        operation: Operation,
        clock: Clock,
        message: M,
    ) -> Received<M> {
        let mut received = self.extract(message);
        if let Some(inner) = &self.0
            && received.span(inner, operation, clock)
        {
            received.context.count_unshared();
        }
        received
    }

    /// Makes the receive span of messages that are handed to the application together, by an
    /// operation that began at `clock`, with a link for each; counts the messages as consumed.
    pub fn receive_batch<L: AsReceived>(&self, operation: Operation, clock: Clock, batch: &[L]) {
        let Some(inner) = &self.0 else { return };
        if batch.is_empty() {
            return;
        }
        let Some(ambient) = inner.ambient() else { return };
        let messages = || batch.iter().map(AsReceived::as_received);
        let is_wanted = inner.settings.receive_spans != ReceiveSpans::None;
        let wants_span = is_wanted && inner.providers.may_want_span(&inner.settings);
        let kind = operation.operation_type();
        let common = Common::of(kind, messages().map(Received::get_ref), wants_span);
        let links = |skip| common.links(inner, batch, skip, |_| Vec::new());
        let members = Members { count: batch.len(), common: &common, links: &links };
        if let Some(mut start) = Start::new(inner, operation, Subject::Batch(&members), is_wanted) {
            start.set_started(clock.0.unwrap_or_default());
            start.set_messages(batch.len() as u64);
            if let Some(mut state) = start.begin(&ambient) {
                state.end(None);
            }
        }
        for message in messages() {
            message.context.count(None);
        }
    }

    /// Makes the failed span of a receive that began at `clock`, and measures it.
    pub fn receive_failed(
        &self,
        operation: Operation,
        clock: Clock,
        destination: Option<Destination<'_>>,
        failure: Failure,
    ) {
        let Some(inner) = &self.0 else { return };
        let Some(ambient) = inner.ambient() else { return };
        let is_wanted = inner.settings.receive_spans != ReceiveSpans::None;
        let subject = Subject::Destination(destination);
        let Some(mut start) = Start::new(inner, operation, subject, is_wanted) else { return };
        start.set_started(clock.0.unwrap_or_default());
        start.set_messages(0);
        if let Some(mut state) = start.begin(&ambient) {
            state.end(Some(failure));
        }
    }
}

impl<M: Message> Received<M> {
    /// Makes the receive span of a message that is handed to the application, by an operation that
    /// began at `clock`; counts the message as consumed.
    pub fn receive(&self, operation: Operation, clock: Clock) {
        if let Some(inner) = &self.instrumenter().0
            && self.span(inner, operation, clock)
        {
            self.context.count(None);
        }
    }

    /// Makes the receive span, and measures it. Returns false if telemetry is suppressed.
    fn span(&self, inner: &Inner, operation: Operation, clock: Clock) -> bool {
        let Some(ambient) = inner.ambient() else { return false };
        let is_wanted = inner.settings.receive_spans == ReceiveSpans::All;
        let subject = Subject::Message(self.get_ref());
        if let Some(mut start) = Start::new(inner, operation, subject, is_wanted) {
            start.set_started(clock.0.unwrap_or_default());
            start.link(self.creation_context().span_context());
            if let Some(mut state) = start.begin(&ambient) {
                state.end(None);
            }
        }
        true
    }
}
