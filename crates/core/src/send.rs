//! Sending: which spans there are, and whose context a message carries away (rules R6 to R9).

use std::sync::Arc;

use opentelemetry::{
    Context,
    trace::{Link, SpanContext, TraceContextExt},
};

use crate::{
    ActiveOperation, CreationContext, Endpoint, ExistingContext, Operation, OutgoingMessage,
    diagnostics::Diagnostic,
    endpoint::{Inner, Start, ambient},
    links::{Common, all_links, overflow_links},
};

impl Endpoint {
    /// Starts to send one message, and makes its context what the message carries (R6).
    ///
    /// A context that the message carried already is linked and replaced, or kept, as
    /// [`ExistingContext`] says (R8, R9).
    #[inline]
    pub fn send<M>(&self, operation: Operation, message: &mut M) -> ActiveOperation
    where
        M: OutgoingMessage + ?Sized,
    {
        match &self.0 {
            Some(inner) => inner.send(operation, message),
            None => ActiveOperation::none(),
        }
    }

    /// Starts to send one message that was created in `creation`, which is what it carries away;
    /// the send span links to it (R9).
    pub fn send_created<M>(
        &self,
        operation: Operation,
        message: &mut M,
        creation: &CreationContext,
    ) -> ActiveOperation
    where
        M: OutgoingMessage + ?Sized,
    {
        if !creation.is_valid() {
            return self.send(operation, message);
        }
        let Some(inner) = &self.0 else { return ActiveOperation::none() };
        let Some(context) = ambient() else { return ActiveOperation::none() };
        let mut active = inner.start(Start {
            operation,
            destination: Some(message.destination()),
            parent: &context,
            links: vec![link_to(creation)],
            is_creation_context: false,
            wants_span: true,
            started: inner.now(),
        });
        active.describe(message);
        inner.inject(creation.span_context(), &creation.to_context(), message);
        ActiveOperation::running(active)
    }

    /// Starts to send a batch. Each message gets a span and a context of its own, and the send
    /// span links to them all; without create spans, one send span is what all carry (R7). A batch
    /// of none is no operation.
    ///
    /// End it with a [`Failure`](crate::Failure) that names the messages which failed, if some did.
    pub fn send_batch<M>(&self, operation: Operation, messages: &mut [M]) -> ActiveOperation
    where
        M: OutgoingMessage,
    {
        let Some(inner) = &self.0 else { return ActiveOperation::none() };
        if messages.is_empty() {
            return ActiveOperation::none();
        }
        let Some(context) = ambient() else { return ActiveOperation::none() };
        let started = inner.before();
        let created = inner.create_all(messages, &context);
        let is_creation_context = created.iter().any(|link| link.carries_send_span);
        let common = Common::of(operation.operation_type(), &*messages);
        let links = || created.iter().filter_map(|created| created.link.clone());
        let wants_span = inner.settings.tracing;
        let all = all_links(wants_span, messages.len(), links());
        let linked = all.len();
        let mut active = inner.start(Start {
            operation,
            destination: common.destination(),
            parent: &context,
            links: all,
            is_creation_context,
            wants_span,
            started,
        });
        active.count(messages.len() as u64);
        common.describe(&mut active, messages.len());
        overflow_links(&active, linked, links());
        let own = active.span_context().unwrap_or_else(|| context.span().span_context().clone());
        for (message, _) in
            messages.iter_mut().zip(&created).filter(|(_, created)| created.carries_send_span)
        {
            inner.inject(&own, &context, message);
        }
        ActiveOperation::running(active)
    }
}

/// What became of one message of a batch before it is sent.
struct Created {
    /// To the context that the message carries, or carried.
    link: Option<Link>,
    /// Whether the message still has to be given the send span's context.
    carries_send_span: bool,
}

impl Inner {
    fn send<M>(self: &Arc<Self>, operation: Operation, message: &mut M) -> ActiveOperation
    where
        M: OutgoingMessage + ?Sized,
    {
        let Some(context) = ambient() else { return ActiveOperation::none() };
        let existing = self.extract(message);
        let keep = existing.is_valid() && self.settings.existing_context == ExistingContext::Keep;
        // A context that is the ambient span's own was put there by hand, on purpose.
        let ambient_span = context.span();
        let ambient_span = ambient_span.span_context();
        let link =
            existing.is_valid() && (keep || !same_span(existing.span_context(), ambient_span));
        let links = if link { vec![link_to(&existing)] } else { Vec::new() };
        let mut active = self.start(Start {
            operation,
            destination: Some(message.destination()),
            parent: &context,
            links,
            is_creation_context: !keep,
            wants_span: true,
            started: self.now(),
        });
        active.describe(message);
        if !keep {
            let injected = active.with_span_context(|own| self.inject(own, &context, message));
            // Without a span of our own, what is ambient goes on (R5).
            injected.unwrap_or_else(|| self.inject(ambient_span, &context, message));
        }
        ActiveOperation::running(active)
    }

    fn create_all<M: OutgoingMessage>(
        self: &Arc<Self>,
        messages: &mut [M],
        context: &Context,
    ) -> Vec<Created> {
        messages.iter_mut().map(|message| self.create(message, context)).collect()
    }

    fn create<M: OutgoingMessage>(self: &Arc<Self>, message: &mut M, context: &Context) -> Created {
        let existing = self.extract(message);
        if existing.is_valid() && self.settings.existing_context == ExistingContext::Keep {
            return Created { link: Some(link_to(&existing)), carries_send_span: false };
        }
        let ambient_span = context.span().span_context().clone();
        let forwarded = existing.is_valid() && !same_span(existing.span_context(), &ambient_span);
        let link = forwarded.then(|| link_to(&existing));
        if !self.settings.create_spans {
            return Created { link, carries_send_span: true };
        }
        let mut active = self.start(Start {
            operation: Operation::CREATE,
            destination: Some(message.destination()),
            parent: context,
            links: link.into_iter().collect(),
            is_creation_context: true,
            wants_span: true,
            started: self.now(),
        });
        active.describe(message);
        let own = active.span_context();
        self.inject(own.as_ref().unwrap_or(&ambient_span), context, message);
        active.end(None);
        Created { link: own.map(Link::with_context), carries_send_span: false }
    }

    /// Writes a context into a message. What cannot be written leaves the message as it was (R4).
    fn inject<M: OutgoingMessage + ?Sized>(
        &self,
        span_context: &SpanContext,
        context: &Context,
        message: &mut M,
    ) {
        if self.settings.propagation
            && let Err(error) = self.propagator().inject(span_context, context, message)
        {
            self.settings.diagnostics.report(Diagnostic::NotInjected(error));
        }
    }
}

pub(crate) fn link_to(creation: &CreationContext) -> Link {
    Link::with_context(creation.span_context().clone())
}

fn same_span(a: &SpanContext, b: &SpanContext) -> bool {
    a.trace_id() == b.trace_id() && a.span_id() == b.span_id()
}
