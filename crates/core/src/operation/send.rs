//! Sending: which spans start, and which context a message carries away.

use opentelemetry::{
    Context,
    trace::{Link, SpanContext, TraceContextExt},
};

use crate::{
    ActiveOperation, CreationContext, ExistingContext, Instrumenter, Operation, Trust,
    client::{OutgoingMessage, Shares},
    instrumenter::{Inner, Started},
    span::{
        end::OperationState,
        links::{Common, Members, collect_links},
        start::{Start, Subject},
    },
};

impl Instrumenter {
    /// Starts to send one message: a PRODUCER span, whose context is written into the message.
    ///
    /// A context that the message carries already is linked and replaced, or kept, as
    /// [`ExistingContext`] says.
    #[inline]
    pub fn send<M: OutgoingMessage>(
        &self,
        operation: Operation,
        message: &mut M,
    ) -> ActiveOperation {
        match &self.0 {
            Some(inner) => inner.send(operation, message),
            None => ActiveOperation::none(),
        }
    }

    /// Starts to send one message with a creation context of its own, which it carries away: a
    /// CLIENT span that links to that context. If `creation` is invalid, this is
    /// [`send`](Self::send).
    pub fn send_with_context<M: OutgoingMessage>(
        &self,
        operation: Operation,
        message: &mut M,
        creation: &CreationContext,
    ) -> ActiveOperation {
        if !creation.is_valid() {
            return self.send(operation, message);
        }
        let Some(inner) = &self.0 else { return ActiveOperation::none() };
        let Some(ambient) = inner.ambient() else { return ActiveOperation::none() };
        let start = Start::new(inner, operation, Subject::Message(message), true);
        let state = start.and_then(|mut start| {
            start.set_client();
            start.link(creation.span_context());
            start.begin(&ambient)
        });
        inner.inject(creation.span_context(), &creation.to_context(), message);
        ActiveOperation::running(state.and_then(OperationState::drop_unless_recording))
    }

    /// Starts to send a batch, and returns one operation for each message, in order: each is a
    /// share of the batch's operation, which ends with the last of them.
    ///
    /// Each message gets a PRODUCER create span, whose context it carries, and one CLIENT send span
    /// links to them all; without create spans, one PRODUCER send span's context goes into all
    /// messages.
    ///
    /// A message whose operation is dropped before the client took it is told as `cancelled` and
    /// does not count as sent.
    pub fn send_batch<M: OutgoingMessage>(
        &self,
        operation: Operation,
        messages: &mut [M],
    ) -> Shares {
        let state = match &self.0 {
            Some(inner) if !messages.is_empty() => inner.send_batch(operation, messages),
            _ => None,
        };
        Shares::new(state.map(OperationState::into_owned), messages.len())
    }
}

impl Inner {
    fn send<M: OutgoingMessage>(&self, operation: Operation, message: &mut M) -> ActiveOperation {
        let Some(ambient) = self.ambient() else { return ActiveOperation::none() };
        let existing = self.existing_context(operation, message, &ambient);
        let start = Start::new(self, operation, Subject::Message(message), true);
        let state = start.and_then(|mut start| {
            match &existing {
                Existing::Kept(creation) => {
                    start.set_client();
                    start.link(creation);
                }
                Existing::Replaced(creation) => start.link(creation),
                Existing::None => {}
            }
            start.begin(&ambient)
        });
        if !matches!(existing, Existing::Kept(_)) {
            self.inject_own(state.as_ref(), &ambient, message);
        }
        ActiveOperation::running(state.and_then(OperationState::drop_unless_recording))
    }

    fn send_batch<M: OutgoingMessage>(
        &self,
        operation: Operation,
        messages: &mut [M],
    ) -> Option<OperationState<'_>> {
        let ambient = self.ambient()?;
        let wants_span = self.providers.may_want_span(&self.settings);
        let started = Started::now(wants_span, self.providers.may_measure(&self.settings));
        let created: Vec<Created> =
            messages.iter_mut().map(|message| self.create(message, &ambient)).collect();
        let carries_own = created.iter().any(|created| created.carries_send_span);
        let links = |skip| {
            let links = created.iter().filter_map(|created| created.link.clone());
            collect_links(created.len(), skip, links)
        };
        let common = Common::of(operation.operation_type(), &*messages, wants_span);
        let members = Members { count: messages.len(), common: &common, links: &links };
        let start = Start::new(self, operation, Subject::Batch(&members), true);
        let state = start.and_then(|mut start| {
            start.set_started(started);
            start.set_messages(messages.len() as u64);
            if !carries_own {
                start.set_client();
            }
            start.begin(&ambient)
        });
        for (message, created) in messages.iter_mut().zip(&created) {
            if created.carries_send_span {
                self.inject_own(state.as_ref(), &ambient, message);
            }
        }
        state
    }

    /// Creates one message of a batch.
    fn create<M: OutgoingMessage>(&self, message: &mut M, ambient: &Context) -> Created {
        let existing = self.existing_context(Operation::CREATE, message, ambient);
        let replaced = match existing {
            Existing::Kept(creation) => {
                let link = Some(Link::with_context(creation));
                return Created { link, carries_send_span: false };
            }
            Existing::Replaced(creation) => Some(creation),
            Existing::None => None,
        };
        if !self.settings.create_spans {
            let link = replaced.map(Link::with_context);
            return Created { link, carries_send_span: true };
        }
        let start = Start::new(self, Operation::CREATE, Subject::Message(message), true);
        let state = start.and_then(|mut start| {
            if let Some(replaced) = &replaced {
                start.link(replaced);
            }
            start.begin(ambient)
        });
        self.inject_own(state.as_ref(), ambient, message);
        let own = state.as_ref().and_then(OperationState::own_span_context).cloned();
        if let Some(mut state) = state {
            state.end(None);
        }
        Created { link: own.map(Link::with_context), carries_send_span: false }
    }

    /// Looks at the context that a message carries already.
    fn existing_context<M: OutgoingMessage>(
        &self,
        operation: Operation,
        message: &M,
        ambient: &Context,
    ) -> Existing {
        let keeps = self.settings.existing_context == ExistingContext::Keep;
        // Only a span links to the context, so that without spans it need not be read.
        if !keeps && !self.providers.may_want_span(&self.settings) {
            return Existing::None;
        }
        // What the application keeps is its own.
        let trust = if keeps { Trust::Full } else { self.trust(operation, message) };
        let existing = self.extract(message, trust);
        let (existing, ambient) = (existing.span_context(), ambient.span());
        if !existing.is_valid() {
            Existing::None
        } else if keeps {
            Existing::Kept(existing.clone())
        } else if is_same_span(existing, ambient.span_context()) {
            // The application wrote the ambient context into the message itself.
            Existing::None
        } else {
            Existing::Replaced(existing.clone())
        }
    }

    /// Writes the operation's context into a message; without a span of its own, the ambient one.
    fn inject_own<M: OutgoingMessage>(
        &self,
        state: Option<&OperationState<'_>>,
        ambient: &Context,
        message: &mut M,
    ) {
        match state.and_then(OperationState::own_span_context) {
            Some(own) => self.inject(own, ambient, message),
            None => self.inject(ambient.span().span_context(), ambient, message),
        }
    }
}

/// A context that a message carries when it is sent.
enum Existing {
    None,
    Kept(SpanContext),
    Replaced(SpanContext),
}

/// What one message of a batch carries.
struct Created {
    /// To the context that the message carries, or carried.
    link: Option<Link>,
    /// Whether the message still has to be given the send span's context.
    carries_send_span: bool,
}

fn is_same_span(a: &SpanContext, b: &SpanContext) -> bool {
    a.trace_id() == b.trace_id() && a.span_id() == b.span_id()
}
