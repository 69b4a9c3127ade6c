//! Receiving: messages that were handed to the application (rule R11).

use crate::{
    AsReceived, Destination, Endpoint, Failure, Message, Operation, ReceiveSpans, Received,
    endpoint::{Clock, Start, ambient},
    links::{Common, all_links, overflow_links},
    send::link_to,
};

impl Endpoint {
    /// A message was handed to the application by an operation that began at `clock`: it is
    /// counted, and has its receive span.
    pub fn receive<M: Message>(
        &self,
        operation: Operation,
        clock: Clock,
        message: M,
    ) -> Received<M> {
        let mut received = self.hold(message);
        if let (Some(inner), Clock(Some(started))) = (&self.0, clock)
            && let Some(context) = ambient()
        {
            let creation = received.creation_context();
            let mut active = inner.start(Start {
                operation,
                destination: Some(received.get_ref().destination()),
                parent: &context,
                links: creation.is_valid().then(|| link_to(creation)).into_iter().collect(),
                is_creation_context: false,
                wants_span: inner.settings.receive_spans == ReceiveSpans::All,
                started,
            });
            active.describe(received.get_ref());
            active.end(None);
            received.set_counted();
        }
        received
    }

    /// The messages of a batch were handed to the application together by an operation that began
    /// at `clock`: they are counted, and have one receive span with a link for each (R14, R15).
    ///
    /// They were made with [`hold`](Self::hold), which counts nothing.
    pub fn receive_batch<L: AsReceived>(&self, operation: Operation, clock: Clock, batch: &[L]) {
        let (Some(inner), Clock(Some(started))) = (&self.0, clock) else { return };
        if batch.is_empty() {
            return;
        }
        let Some(context) = ambient() else { return };
        let messages = || batch.iter().map(AsReceived::as_received);
        let common = Common::of(operation.operation_type(), messages().map(Received::get_ref));
        let links = || messages().filter_map(|message| common.link(inner, message, Vec::new()));
        let wants_span =
            inner.settings.tracing && inner.settings.receive_spans != ReceiveSpans::None;
        let all = all_links(wants_span, batch.len(), links());
        let linked = all.len();
        let mut active = inner.start(Start {
            operation,
            destination: common.destination(),
            parent: &context,
            links: all,
            is_creation_context: false,
            wants_span,
            started,
        });
        active.count(batch.len() as u64);
        common.describe(&mut active, batch.len());
        overflow_links(&active, linked, links());
        active.end(None);
        for message in messages() {
            message.count();
        }
    }

    /// Receiving failed: a failed span, and a duration with the error's class.
    pub fn receive_failed(
        &self,
        operation: Operation,
        clock: Clock,
        destination: Option<Destination<'_>>,
        failure: Failure,
    ) {
        if let (Some(inner), Clock(Some(started))) = (&self.0, clock)
            && let Some(context) = ambient()
        {
            let mut active = inner.start(Start {
                operation,
                destination,
                parent: &context,
                links: Vec::new(),
                is_creation_context: false,
                wants_span: inner.settings.receive_spans != ReceiveSpans::None,
                started,
            });
            active.count(0);
            active.end(Some(failure));
        }
    }

    /// Reads the context of a message and keeps both together, without telling anybody yet: for
    /// messages that will be received as a batch, or are pushed to a handler. They are counted as
    /// consumed by the batch that receives them, or when they are processed.
    pub fn hold<M: Message>(&self, message: M) -> Received<M> {
        let creation = self.extract(&message);
        Received::new(self.clone(), message, creation)
    }
}
