//! What all operations of a producer or consumer say.

use opentelemetry::KeyValue;

use crate::{Destination, System, span::interned::Attribute};

/// What is known of a producer or consumer from the start.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) system: System,
    /// For spans and metrics.
    pub(crate) attributes: Vec<Attribute>,
    /// For spans only.
    pub(crate) span_attributes: Vec<KeyValue>,
    /// The address and the port as a span's name has them.
    pub(crate) server: Option<String>,
    pub(crate) fallback_destination: Option<Box<str>>,
}

impl Facts {
    pub(crate) const fn of(system: System) -> Self {
        Self {
            system,
            attributes: Vec::new(),
            span_attributes: Vec::new(),
            server: None,
            fallback_destination: None,
        }
    }

    /// The destination of operations on messages of several destinations.
    pub(crate) fn fallback_destination(&self) -> Option<Destination<'_>> {
        self.fallback_destination.as_deref().map(Destination::new)
    }
}
