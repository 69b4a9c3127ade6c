//! The creation context of a received message, and what happened to the message.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use opentelemetry::trace::SpanContext;

use crate::{CreationContext, Instrumenter};

/// The creation context of a message, and its progress.
pub(crate) struct MessageContext {
    creation: CreationContext,
    instrumenter: Instrumenter,
    progress: Mutex<Shareable>,
}

/// The progress of one message, behind an `Arc` once the message is copied.
enum Shareable {
    Own(Progress),
    Shared(Arc<Mutex<Progress>>),
}

/// What happened to a message so far. One lock guards both, as every message of a batch takes
/// it.
#[derive(Default)]
struct Progress {
    /// The first span that processed it, which a settlement may be a child of.
    processed: Option<SpanContext>,
    /// Whether it was counted as consumed.
    counted: bool,
}

impl MessageContext {
    pub(crate) fn new(instrumenter: Instrumenter, creation: CreationContext) -> Self {
        let progress = Mutex::new(Shareable::Own(Progress::default()));
        Self { creation, instrumenter, progress }
    }

    pub(crate) const fn creation(&self) -> &CreationContext {
        &self.creation
    }

    pub(crate) const fn instrumenter(&self) -> &Instrumenter {
        &self.instrumenter
    }

    /// Copies the context; the progress is shared with the copy.
    pub(crate) fn share(&self) -> Self {
        Self {
            creation: self.creation.clone(),
            instrumenter: self.instrumenter.clone(),
            progress: Mutex::new(Shareable::Shared(lock(&self.progress).share())),
        }
    }

    /// Marks the message as consumed, and remembers the first span that processed it. Returns
    /// whether it was not counted before.
    pub(crate) fn count(&self, processed_by: Option<&SpanContext>) -> bool {
        lock(&self.progress).update(|progress| {
            if progress.processed.is_none() {
                progress.processed = processed_by.cloned();
            }
            !mem::replace(&mut progress.counted, true)
        })
    }

    /// Returns the first span that processed the message.
    pub(crate) fn processed_by(&self) -> Option<SpanContext> {
        lock(&self.progress).update(|progress| progress.processed.clone())
    }
}

impl Shareable {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
