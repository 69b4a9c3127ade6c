//! Work that waited somewhere else than in a broker.

use std::{borrow::Cow, ops::Deref};

#[cfg(feature = "otel")]
use crate::message::message_context::MessageContext;
#[cfg(not(feature = "otel"))]
use crate::off::MessageContext;
use crate::{CreationContext, Destination, Instrumenter, Received, client::Message};

/// Something that was stored with its creation context: a row of an outbox, a scheduled job.
///
/// It dereferences to what was stored. [`Instrumenter::restore`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    destination: Cow<'static, str>,
    value: T,
}

impl<T> Stored<T> {
    /// Returns what was stored.
    pub const fn get_ref(&self) -> &T {
        &self.value
    }

    /// Returns what was stored.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Stored<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A stored value has no headers: its context is given to [`Instrumenter::restore`].
impl<T> Message for Stored<T> {
    fn destination(&self) -> Destination<'_> {
        Destination::new(&self.destination)
    }

    fn header(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

impl Instrumenter {
    /// Joins work that was stored with the context it was created in, so that it can be processed
    /// as a message can, alone or in a [`Batch`](crate::Batch). `destination` names the queue that
    /// it waited in: a table, a schedule.
    ///
    /// The instrumentation's [`Trust`](crate::Trust) and its keys of baggage hold for the context as
    /// they do for that of a message: what was stored may have come from a stranger.
    pub fn restore<T>(
        &self,
        destination: impl Into<Cow<'static, str>>,
        creation: CreationContext,
        value: T,
    ) -> Received<Stored<T>> {
        let stored = Stored { destination: destination.into(), value };
        let context = MessageContext::restored(self.clone(), creation, &stored);
        Received::new(stored, context)
    }
}
