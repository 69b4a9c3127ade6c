//! Which members of baggage may pass.

use opentelemetry::{
    Context,
    baggage::{Baggage, BaggageExt},
};

use crate::CreationContext;

/// The keys of the baggage that is taken from messages, or put into them.
#[derive(Debug, Default)]
pub(crate) enum BaggageKeys {
    /// All of them.
    #[default]
    All,
    /// These, as they are spelled.
    Only(Vec<String>),
}

impl BaggageKeys {
    pub(crate) fn only<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self::Only(keys.into_iter().map(Into::into).collect())
    }

    /// Leaves out the members of a message's baggage that may not pass.
    #[inline]
    pub(crate) fn limit(&self, creation: &mut CreationContext) {
        if let (Self::Only(keys), Some(baggage)) = (self, creation.baggage()) {
            let baggage = select(keys, baggage);
            creation.set_baggage(baggage);
        }
    }

    /// Returns `context` without the members of its baggage that may not pass; `None` if all may.
    #[inline]
    pub(crate) fn limit_context(&self, context: &Context) -> Option<Context> {
        match self {
            Self::All => None,
            Self::Only(keys) => Some(context.with_baggage(select(keys, context.baggage()))),
        }
    }
}

fn select(keys: &[String], baggage: &Baggage) -> Baggage {
    let allowed = baggage.iter().filter(|(key, _)| keys.iter().any(|own| own == key.as_str()));
    allowed.map(|(key, value)| (key.clone(), value.clone())).collect()
}
