//! A message with the context it was created in, and what can be done with it.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use opentelemetry::trace::{Link, SpanContext, TraceContextExt};

use crate::{
    ActiveOperation, CreationContext, Destination, Endpoint, Message, Operation, ProcessParent,
    endpoint::{Start, ambient},
    process_forms,
    send::link_to,
};

/// A message that was received, and the context it was created in.
///
/// Client crates build their own message types on it, so that those can have the client's methods.
pub struct Received<M> {
    message: M,
    creation: CreationContext,
    endpoint: Endpoint,
    history: Mutex<History>,
}

/// Whom a message's progress belongs to: to itself, until there is a copy that has to know of it.
enum History {
    Own(Progress),
    Shared(Arc<Mutex<Progress>>),
}

/// What became of a message so far. One lock for both, as every message of a batch takes it.
#[derive(Default)]
struct Progress {
    /// The span that processed it first, which a settlement may be a child of (R17).
    processed: Option<SpanContext>,
    /// Whether it was counted as consumed (R18).
    counted: bool,
}

/// What holds a [`Received`] message: it may be a member of a [`Batch`](crate::Batch).
pub trait AsReceived {
    /// The client's message.
    type Message: Message;

    /// The message with its creation context.
    fn as_received(&self) -> &Received<Self::Message>;
}

impl<M: Message> AsReceived for Received<M> {
    type Message = M;

    fn as_received(&self) -> &Self {
        self
    }
}

impl<M> Received<M> {
    pub(crate) fn new(endpoint: Endpoint, message: M, creation: CreationContext) -> Self {
        let history = Mutex::new(History::Own(Progress::default()));
        Self { message, creation, endpoint, history }
    }

    /// The message.
    pub const fn get_ref(&self) -> &M {
        &self.message
    }

    /// The message, to be changed.
    pub const fn get_mut(&mut self) -> &mut M {
        &mut self.message
    }

    /// The message without its creation context.
    pub fn into_inner(self) -> M {
        self.message
    }

    /// The same with another form of the message, as when it is copied out of the client's memory.
    pub fn map<N>(self, form: impl FnOnce(M) -> N) -> Received<N> {
        Received {
            message: form(self.message),
            creation: self.creation,
            endpoint: self.endpoint,
            history: self.history,
        }
    }

    /// A copy with another form of the message, made from a borrow. It stays the same message:
    /// either way it is counted as consumed once (R18), and the one is settled as a child of the
    /// span that processed the other (R17).
    pub fn map_ref<N>(&self, form: impl FnOnce(&M) -> N) -> Received<N> {
        Received {
            message: form(&self.message),
            creation: self.creation.clone(),
            endpoint: self.endpoint.clone(),
            history: Mutex::new(History::Shared(lock(&self.history).share())),
        }
    }

    /// The context the message was created in; [`CreationContext::NONE`] if it carried none.
    pub const fn creation_context(&self) -> &CreationContext {
        &self.creation
    }

    /// The endpoint that received it.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Counts it as consumed; says whether it was not before.
    pub(crate) fn count(&self) -> bool {
        self.start_process_in(None)
    }

    pub(crate) fn set_counted(&mut self) {
        let history = self.history.get_mut().unwrap_or_else(PoisonError::into_inner);
        history.update(|progress| progress.counted = true);
    }

    /// Counts it as consumed, and remembers the first span that processed it; says whether it was
    /// not counted before.
    pub(crate) fn start_process_in(&self, span: Option<&SpanContext>) -> bool {
        lock(&self.history).update(|progress| {
            if progress.processed.is_none() {
                progress.processed = span.cloned();
            }
            !mem::replace(&mut progress.counted, true)
        })
    }
}

impl History {
    fn update<T>(&mut self, update: impl FnOnce(&mut Progress) -> T) -> T {
        match self {
            Self::Own(progress) => update(progress),
            Self::Shared(progress) => update(&mut lock(progress)),
        }
    }

    fn share(&mut self) -> Arc<Mutex<Progress>> {
        let progress = match self {
            Self::Own(progress) => Arc::new(Mutex::new(mem::take(progress))),
            Self::Shared(progress) => return Arc::clone(progress),
        };
        *self = Self::Shared(Arc::clone(&progress));
        progress
    }
}

/// Never for longer than it takes to look.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<M: Message> Received<M> {
    process_forms! {
        /// Runs `future` as the processing of this message: in a CONSUMER span that links to the
        /// creation context, is current inside at every `.await`, and ends with the result (R12,
        /// R13).
        ///
        /// Nothing starts before the first poll. An `Err` marks the span; a panic ends it as an
        /// error and goes on unwinding. Cancel safety: dropped in the middle, the span ends as
        /// `cancelled`.
    }

    /// Starts to process this message, for code that is neither one future nor one closure. The
    /// work is done in [`ActiveOperation::context`].
    pub fn start_process(&self) -> ActiveOperation {
        let Some(inner) = &self.endpoint.0 else { return ActiveOperation::none() };
        let Some(ambient) = ambient() else { return ActiveOperation::none() };
        let creation = self.creation.is_valid().then(|| self.creation.span_context());
        let has_ambient = ambient.span().span_context().is_valid();
        let creation_is_parent = match inner.settings.process_parent {
            ProcessParent::Ambient => false,
            ProcessParent::CreationContextIfNoAmbient => !has_ambient,
            ProcessParent::CreationContext => true,
        };
        let mut links = if creation.is_some() { vec![link_to(&self.creation)] } else { Vec::new() };
        let parent = match creation {
            Some(creation) if creation_is_parent => {
                if has_ambient {
                    links.push(Link::with_context(ambient.span().span_context().clone()));
                }
                ambient.with_remote_span_context(creation.clone())
            }
            _ => ambient.clone(),
        };
        let mut active = inner.start(Start {
            operation: Operation::PROCESS,
            destination: Some(self.message.destination()),
            parent: &parent,
            links,
            is_creation_context: false,
            wants_span: true,
            started: inner.now(),
        });
        active.describe(&self.message);
        let own = active.span_context();
        active.count(u64::from(self.start_process_in(own.as_ref())));
        active.work_in(|span| {
            let context = match (span, creation) {
                (Some(span), _) => ambient.with_span(span),
                // Without a span of our own, what the producer said goes on (R5).
                (None, Some(creation)) if !has_ambient => {
                    ambient.with_remote_span_context(creation.clone())
                }
                (None, _) => ambient.clone(),
            };
            self.creation.bring_baggage(context)
        });
        ActiveOperation::running(active)
    }

    /// Starts to settle this message: a CLIENT span that links to the creation context and is a
    /// child of the ambient span, else of the one that processed the message (R17).
    pub fn settle(&self, operation: Operation) -> ActiveOperation {
        let Some(inner) = &self.endpoint.0 else { return ActiveOperation::none() };
        let Some(mut parent) = ambient() else { return ActiveOperation::none() };
        if !parent.span().span_context().is_valid()
            && let Some(processed) = lock(&self.history).update(|known| known.processed.clone())
        {
            parent = parent.with_remote_span_context(processed);
        }
        let links = self.creation.is_valid().then(|| link_to(&self.creation));
        let mut active = inner.start(Start {
            operation,
            destination: Some(self.message.destination()),
            parent: &parent,
            links: links.into_iter().collect(),
            is_creation_context: false,
            wants_span: inner.settings.settle_spans,
            started: inner.now(),
        });
        active.describe(&self.message);
        ActiveOperation::running(active)
    }
}

impl Endpoint {
    /// Starts to settle messages that are not at hand, at one destination or several.
    pub fn settle(
        &self,
        operation: Operation,
        destination: Option<Destination<'_>>,
    ) -> ActiveOperation {
        let Some(inner) = &self.0 else { return ActiveOperation::none() };
        let Some(parent) = ambient() else { return ActiveOperation::none() };
        ActiveOperation::running(inner.start(Start {
            operation,
            destination,
            parent: &parent,
            links: Vec::new(),
            is_creation_context: false,
            wants_span: inner.settings.settle_spans,
            started: inner.now(),
        }))
    }
}

impl<M: fmt::Debug> fmt::Debug for Received<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("message", &self.message)
            .field("creation", &self.creation)
            .finish_non_exhaustive()
    }
}
