//! Receiving: messages that are handed to the application.

use opentelemetry::trace::Link;

use crate::{
    AsReceived, Destination, Failure, Instrumenter, Operation, ReceiveSpans, Received,
    client::{Clock, Message},
    instrumenter::ambient,
    span::{
        links::{Common, Members},
        start::{Start, Subject},
    },
};

impl Instrumenter {
    /// Reads the context of a message and keeps both together, without counting the message yet.
    /// It is counted as consumed by [`Received::receive`], by the batch that receives it, or when
    /// it is processed.
    pub fn extract<M: Message>(&self, message: M) -> Received<M> {
        let creation = self.0.as_ref().map(|inner| inner.extract(&message));
        Received::new(self.clone(), message, creation.unwrap_or_default())
    }

    /// Extracts a message's context and receives the message, in one step.
    pub fn receive<M: Message>(
        &self,
        operation: Operation,
        clock: Clock,
        message: M,
    ) -> Received<M> {
        let received = self.extract(message);
        received.receive(operation, clock);
        received
    }

    /// Makes the receive span of messages that are handed to the application together, by an
    /// operation that began at `clock`, with a link for each; counts the messages as consumed.
    pub fn receive_batch<L: AsReceived>(&self, operation: Operation, clock: Clock, batch: &[L]) {
        let Some(inner) = &self.0 else { return };
        if batch.is_empty() {
            return;
        }
        let Some(ambient) = ambient() else { return };
        let messages = || batch.iter().map(AsReceived::as_received);
        let is_wanted = inner.settings.receive_spans != ReceiveSpans::None;
        let wants_span = is_wanted && inner.providers.may_want_span(&inner.settings);
        let kind = operation.operation_type();
        let common = Common::of(kind, messages().map(Received::get_ref), wants_span);
        let links = |link: &mut dyn FnMut(Link)| {
            let links = messages().filter_map(|message| common.link(inner, message, Vec::new()));
            links.for_each(link);
        };
        let members = Members { count: batch.len(), common: &common, links: &links };
        let start = Start::new(inner, operation, Subject::Batch(&members), is_wanted)
            .since(clock.0.unwrap_or_default())
            .counting(batch.len() as u64);
        if let Some(state) = start.begin(&ambient) {
            state.end(None);
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
        let Some(ambient) = ambient() else { return };
        let is_wanted = inner.settings.receive_spans != ReceiveSpans::None;
        let start = Start::new(inner, operation, Subject::Destination(destination), is_wanted)
            .since(clock.0.unwrap_or_default())
            .counting(0);
        if let Some(state) = start.begin(&ambient) {
            state.end(Some(failure));
        }
    }
}

impl<M: Message> Received<M> {
    /// Makes the receive span of a message that is handed to the application, by an operation that
    /// began at `clock`; counts the message as consumed.
    pub fn receive(&self, operation: Operation, clock: Clock) {
        let Some(inner) = &self.instrumenter().0 else { return };
        let Some(ambient) = ambient() else { return };
        let is_wanted = inner.settings.receive_spans == ReceiveSpans::All;
        let start = Start::new(inner, operation, Subject::Message(self.get_ref()), is_wanted)
            .since(clock.0.unwrap_or_default())
            .linked_to_creation(self.creation_context());
        if let Some(state) = start.begin(&ambient) {
            state.end(None);
        }
        self.context.count(None);
    }
}
