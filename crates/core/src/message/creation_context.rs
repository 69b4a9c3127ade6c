//! The context that travels in a message.

use std::{collections::BTreeMap, sync::Arc};

use opentelemetry::{
    Context,
    baggage::{Baggage, BaggageExt},
    trace::{SpanContext, TraceContextExt, TraceState},
};

use crate::{options::w3c, span::ambient::ambient};

/// A message's creation context: the span that sent it, and the baggage it came with.
///
/// It can be captured, stored and restored, so that work which waits in a database or an outbox is
/// linked to its cause when it runs:
///
/// ```
/// use otel_messaging_core::CreationContext;
///
/// let stored = CreationContext::current().to_map(); // a column of the row
/// let restored = CreationContext::from_map(&stored);
/// assert_eq!(restored, CreationContext::NONE); // no span was current here
/// ```
///
/// With the feature `serde` it is serialized as that map. The map is always W3C Trace Context and
/// Baggage, whatever travels in messages.
#[derive(Clone, Debug)]
pub struct CreationContext {
    span_context: SpanContext,
    baggage: Option<Arc<Baggage>>,
}

impl CreationContext {
    /// The empty context: the message carried none.
    pub const NONE: Self = Self { span_context: SpanContext::NONE, baggage: None };

    /// Captures the ambient span and baggage.
    pub fn current() -> Self {
        Self::from_context(&ambient())
    }

    /// Captures the span and the baggage of `context`.
    pub fn from_context(context: &Context) -> Self {
        let baggage = context.baggage();
        Self {
            span_context: context.span().span_context().clone(),
            baggage: (!baggage.is_empty()).then(|| Arc::new(copy(baggage))),
        }
    }

    #[inline]
    pub(crate) fn new(span_context: SpanContext, baggage: Option<Baggage>) -> Self {
        Self { span_context, baggage: baggage.map(Arc::new) }
    }

    /// Keeps what a link needs: the ids and the flags.
    pub(crate) fn link_only(&self) -> Self {
        let Self { span_context: own, .. } = self;
        let (trace_id, span_id, flags) = (own.trace_id(), own.span_id(), own.trace_flags());
        let state = TraceState::NONE;
        let span_context = SpanContext::new(trace_id, span_id, flags, own.is_remote(), state);
        Self { span_context, baggage: None }
    }

    /// Replaces the baggage.
    pub(crate) fn set_baggage(&mut self, baggage: Baggage) {
        self.baggage = (!baggage.is_empty()).then(|| Arc::new(baggage));
    }

    /// Returns the span that created the message; invalid if there is none.
    pub const fn span_context(&self) -> &SpanContext {
        &self.span_context
    }

    /// Returns the baggage that came with the message, if any.
    pub fn baggage(&self) -> Option<&Baggage> {
        self.baggage.as_deref()
    }

    /// Returns whether there is a span to link to. Baggage may be there without one.
    pub fn is_valid(&self) -> bool {
        self.span_context.is_valid()
    }

    /// Makes a context with this span as the remote one and this baggage, for code that continues
    /// the producer's trace by hand.
    pub fn to_context(&self) -> Context {
        self.bring_baggage(Context::new().with_remote_span_context(self.span_context.clone()))
    }

    /// Returns `context` with the message's baggage, or with its own where the message has none.
    pub(crate) fn bring_baggage(&self, context: Context) -> Context {
        match self.baggage() {
            Some(baggage) => context.with_baggage(copy(baggage)),
            None => context,
        }
    }

    /// Writes the fields `traceparent`, `tracestate` and `baggage`, without the empty ones.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        if self.is_valid() {
            let traceparent = w3c::Traceparent::of(&self.span_context);
            map.insert(w3c::TRACEPARENT.to_owned(), traceparent.as_str().to_owned());
            let tracestate = self.span_context.trace_state().header();
            if !tracestate.is_empty() {
                map.insert(w3c::TRACESTATE.to_owned(), tracestate);
            }
        }
        if let Some(baggage) = self.baggage() {
            map.insert(w3c::BAGGAGE.to_owned(), w3c::write_baggage(baggage));
        }
        map
    }

    /// Reads the fields that [`to_map`](Self::to_map) wrote. Fields that are missing or malformed
    /// are left out; the result may be [`NONE`](Self::NONE).
    pub fn from_map<K, V>(map: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let (mut traceparent, mut tracestate, mut baggage) = (None, None, None);
        for (name, value) in map {
            match name.as_ref() {
                w3c::TRACEPARENT => traceparent = Some(value),
                w3c::TRACESTATE => tracestate = Some(value),
                w3c::BAGGAGE => baggage = w3c::parse_baggage(value.as_ref().as_bytes()),
                _ => {}
            }
        }
        let tracestate = tracestate.as_ref().map(|value| value.as_ref().as_bytes());
        let span_context = traceparent
            .and_then(|value| w3c::parse_span_context(value.as_ref().as_bytes(), tracestate));
        Self::new(span_context.unwrap_or(SpanContext::NONE), baggage)
    }
}

impl Default for CreationContext {
    fn default() -> Self {
        Self::NONE
    }
}

/// Compares the spans and the baggage, in whatever order.
impl PartialEq for CreationContext {
    fn eq(&self, other: &Self) -> bool {
        self.span_context == other.span_context
            && self.baggage().map(w3c::sorted_baggage) == other.baggage().map(w3c::sorted_baggage)
    }
}

pub(crate) fn copy(baggage: &Baggage) -> Baggage {
    baggage.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(feature = "serde")]
impl serde::Serialize for CreationContext {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.to_map())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for CreationContext {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<String, String>::deserialize(deserializer).map(Self::from_map)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::{SpanId, TraceFlags, TraceId};

    use super::*;

    fn traced() -> CreationContext {
        let state = TraceState::from_key_value([("vendor", "a"), ("other", "b")]).unwrap();
        let span_context = SpanContext::new(
            TraceId::from(0x5a),
            SpanId::from(0x7),
            TraceFlags::SAMPLED,
            true,
            state,
        );
        let mut baggage = Baggage::new();
        baggage.insert("tenant", "north, 50 %");
        CreationContext::new(span_context, Some(baggage))
    }

    #[test]
    fn a_stored_context_is_restored_whole() {
        assert_eq!(CreationContext::from_map(traced().to_map()), traced());
        assert_eq!(CreationContext::from_context(&traced().to_context()), traced());
        assert!(CreationContext::NONE.to_map().is_empty());
        let garbage = [("traceparent", "00-x"), ("tracestate", "a=1"), ("else", "1")];
        assert_eq!(CreationContext::from_map(garbage), CreationContext::NONE);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn serde_uses_the_string_map() {
        let json = serde_json::to_value(traced()).unwrap();
        assert_eq!(json["traceparent"], "00-0000000000000000000000000000005a-0000000000000007-01");
        assert_eq!(json["tracestate"], "vendor=a,other=b");
        assert_eq!(json["baggage"], "tenant=north%2C%2050%20%25");
        assert_eq!(serde_json::from_value::<CreationContext>(json).unwrap(), traced());
    }
}
