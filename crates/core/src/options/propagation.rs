//! How a context is written into headers and read from them.

use std::{fmt, sync::Arc};

use opentelemetry::{
    Context,
    baggage::BaggageExt,
    global,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{SpanContext, TraceContextExt, TraceState},
};

use crate::{
    CreationContext, Trust,
    client::{Field, Message, NotInjected, OutgoingMessage},
    options::{
        baggage_keys::BaggageKeys,
        w3c::{self, BAGGAGE, TRACEPARENT, TRACESTATE},
    },
};

mod probe;

/// Says which propagator writes and reads the messages' headers.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Propagation {
    /// Uses the global propagator. Where that has no fields (the API's default), uses
    /// [`TraceContextAndBaggage`](Self::TraceContextAndBaggage).
    #[default]
    Global,
    /// Uses W3C Trace Context. A header `baggage` is neither read nor written.
    TraceContext,
    /// Uses W3C Trace Context and W3C Baggage.
    TraceContextAndBaggage,
    /// Uses any other propagator.
    Custom(Arc<dyn TextMapPropagator + Send + Sync>),
}

impl Propagation {
    /// Uses the propagator given.
    pub fn custom(propagator: impl TextMapPropagator + Send + Sync + 'static) -> Self {
        Self::Custom(Arc::new(propagator))
    }
}

impl fmt::Debug for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "Global",
            Self::TraceContext => "TraceContext",
            Self::TraceContextAndBaggage => "TraceContextAndBaggage",
            Self::Custom(_) => "Custom",
        })
    }
}

/// The propagator that a [`Propagation`] turned out to be.
#[derive(Debug)]
pub(crate) enum Propagator {
    /// Ours, which allocates nothing for a `traceparent`.
    W3c {
        baggage: bool,
    },
    Global,
    Custom(Arc<dyn TextMapPropagator + Send + Sync>),
}

impl Propagator {
    /// Used where the global propagator is the API's no-op.
    pub(crate) const DEFAULT: Self = Self::W3c { baggage: true };

    /// Returns whether only code of this crate runs, which does not panic.
    pub(crate) const fn is_ours(&self) -> bool {
        matches!(self, Self::W3c { .. })
    }

    /// Returns `None` if it is the global one, and that is the API's no-op so far.
    pub(crate) fn resolve(choice: &Propagation) -> Option<Self> {
        match choice {
            Propagation::TraceContext => Some(Self::W3c { baggage: false }),
            Propagation::TraceContextAndBaggage => Some(Self::W3c { baggage: true }),
            Propagation::Custom(propagator) => Some(Self::Custom(Arc::clone(propagator))),
            // A propagator with W3C's fields may still filter. So its output is compared with ours.
            Propagation::Global => global::get_text_map_propagator(|propagator| {
                propagator.fields().next()?;
                let w3c = probe::w3c_equivalent(propagator).map(|baggage| Self::W3c { baggage });
                Some(w3c.unwrap_or(Self::Global))
            }),
        }
    }

    /// Reads what a message carries, against an empty context rather than the ambient one: as far
    /// as `trust` says, and of its baggage the members of such keys.
    #[inline]
    pub(crate) fn extract<M: Message>(
        &self,
        message: &M,
        trust: Trust,
        keys: &BaggageKeys,
    ) -> CreationContext {
        if trust == Trust::None {
            return CreationContext::NONE;
        }
        let mut creation = match self {
            Self::W3c { baggage } => return extract_w3c(message, trust, *baggage, keys),
            Self::Global => global::get_text_map_propagator(|p| extract_by_api(p, message)),
            Self::Custom(propagator) => extract_by_api(propagator.as_ref(), message),
        };
        if trust == Trust::Links {
            return creation.link_only();
        }
        keys.limit(&mut creation);
        creation
    }

    /// Makes the message carry `span_context` and the baggage of `context`. Where both are empty,
    /// the message is left as it is.
    pub(crate) fn inject<M: OutgoingMessage + ?Sized>(
        &self,
        span_context: &SpanContext,
        context: &Context,
        message: &mut M,
    ) -> Result<(), NotInjected> {
        match self {
            Self::W3c { baggage } => inject_w3c(span_context, context, *baggage, message),
            Self::Global => global::get_text_map_propagator(|p| {
                inject_by_api(p, span_context, context, message)
            }),
            Self::Custom(propagator) => {
                inject_by_api(propagator.as_ref(), span_context, context, message)
            }
        }
    }
}

#[inline]
fn extract_w3c<M: Message>(
    message: &M,
    trust: Trust,
    with_baggage: bool,
    keys: &BaggageKeys,
) -> CreationContext {
    let [traceparent, tracestate, baggage] = match (trust, with_baggage) {
        (Trust::Full, true) => message.headers([TRACEPARENT, TRACESTATE, BAGGAGE]),
        (Trust::Full, false) => {
            let [traceparent, tracestate] = message.headers([TRACEPARENT, TRACESTATE]);
            [traceparent, tracestate, None]
        }
        (Trust::Links | Trust::None, _) => [message.header(TRACEPARENT), None, None],
    };
    // Most messages have neither: a context that owns nothing is made in its place.
    if tracestate.is_none() && baggage.is_none() {
        return traceparent.and_then(w3c::parse_traceparent).map_or(CreationContext::NONE, |ids| {
            CreationContext::new(w3c::span_context(ids, TraceState::NONE), None)
        });
    }
    let span_context =
        traceparent.and_then(|traceparent| w3c::parse_span_context(traceparent, tracestate));
    let baggage = baggage.and_then(w3c::parse_baggage);
    let mut creation = CreationContext::new(span_context.unwrap_or(SpanContext::NONE), baggage);
    keys.limit(&mut creation);
    creation
}

fn inject_w3c<M: OutgoingMessage + ?Sized>(
    span_context: &SpanContext,
    context: &Context,
    with_baggage: bool,
    message: &mut M,
) -> Result<(), NotInjected> {
    let baggage = with_baggage.then(|| context.baggage()).filter(|baggage| !baggage.is_empty());
    let baggage = baggage.map(w3c::write_baggage);
    let baggage = Field { name: BAGGAGE, value: baggage.as_deref() };
    if !span_context.is_valid() {
        return match baggage.value {
            Some(_) => message.replace_headers(&[baggage]),
            None => Ok(()),
        };
    }
    let traceparent = w3c::Traceparent::of(span_context);
    let tracestate = span_context.trace_state().header();
    let fields = [
        Field { name: TRACEPARENT, value: Some(traceparent.as_str()) },
        Field { name: TRACESTATE, value: Some(&*tracestate).filter(|state| !state.is_empty()) },
        baggage,
    ];
    message.replace_headers(if with_baggage { &fields } else { &fields[..2] })
}

fn extract_by_api<M: Message>(propagator: &dyn TextMapPropagator, message: &M) -> CreationContext {
    let context = propagator.extract_with_context(&Context::new(), &Headers(message));
    CreationContext::from_context(&context)
}

fn inject_by_api<M: OutgoingMessage + ?Sized>(
    propagator: &dyn TextMapPropagator,
    span_context: &SpanContext,
    context: &Context,
    message: &mut M,
) -> Result<(), NotInjected> {
    let mut written = Written(Vec::new());
    let context = context.with_remote_span_context(span_context.clone());
    propagator.inject_context(&context, &mut written);
    let names: Vec<&str> = propagator.fields().collect();
    let mut fields: Vec<Field<'_>> =
        written.0.iter().map(|(name, value)| Field { name, value: Some(value) }).collect();
    if span_context.is_valid() {
        for name in names {
            if !fields.iter().any(|field| field.name == name) {
                fields.push(Field { name, value: None });
            }
        }
    }
    if fields.is_empty() { Ok(()) } else { message.replace_headers(&fields) }
}

/// A message's headers as a propagator reads them.
struct Headers<'a, M: ?Sized>(&'a M);

impl<M: Message + ?Sized> Extractor for Headers<'_, M> {
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.header(name)?;
        // The SDK's own propagator is laxer than the W3C text: what is malformed is not shown to
        // it, so that every propagator refuses the same headers.
        let malformed = match name {
            TRACEPARENT => w3c::parse_traceparent(value).is_none(),
            TRACESTATE => w3c::parse_tracestate(value).is_none(),
            _ => false,
        };
        if malformed { None } else { str::from_utf8(value).ok() }
    }

    fn keys(&self) -> Vec<&str> {
        self.0.header_names()
    }
}

/// The fields that a propagator wrote: one value a name, without the empty ones that the SDK's
/// propagators write.
struct Written(Vec<(String, String)>);

impl Injector for Written {
    fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(written, _)| written != name);
        if !value.is_empty() {
            self.0.push((name.to_owned(), value));
        }
    }

    fn reserve(&mut self, additional: usize) {
        self.0.reserve(additional);
    }
}

#[cfg(test)]
mod tests;
