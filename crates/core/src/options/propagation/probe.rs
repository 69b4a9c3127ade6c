//! Whether a foreign propagator does just what ours would do.

use std::collections::HashMap;

use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    baggage::{Baggage, BaggageExt},
    propagation::TextMapPropagator,
    trace::{SpanContext, TraceContextExt, TraceState},
};

use super::{Propagator, Written, extract_by_api};
use crate::{
    Destination, Trust,
    client::{Field, Message, NotInjected, OutgoingMessage},
    options::baggage_keys::BaggageKeys,
};

/// Returns `Some(with_baggage)` if the propagator injects and extracts known contexts as ours does.
pub(super) fn w3c_equivalent(propagator: &dyn TextMapPropagator) -> Option<bool> {
    [false, true].into_iter().find(|&baggage| {
        let ours = Propagator::W3c { baggage };
        contexts().iter().all(|context| {
            let expected = inject(&ours, context);
            let mut written = Written(Vec::new());
            propagator.inject_context(context, &mut written);
            let headers = Headers(written.0.into_iter().collect());
            // Both must write the same fields, and read the same from all fields together: the
            // latter shows a filter that looks at incoming contexts only.
            let everything = inject(&Propagator::W3c { baggage: true }, context);
            headers == expected
                && extract_by_api(propagator, &everything)
                    == ours.extract(&everything, Trust::Full, &BaggageKeys::All)
        })
    })
}

fn inject(propagator: &Propagator, context: &Context) -> Headers {
    let mut headers = Headers(HashMap::new());
    // A map takes every field.
    let _ = propagator.inject(context.span().span_context(), context, &mut headers);
    headers
}

fn contexts() -> [Context; 5] {
    let traced = |flags, state| {
        let (trace, span) = (TraceId::from(0x1b), SpanId::from(0x2c));
        let span_context = SpanContext::new(trace, span, flags, true, state);
        Context::new().with_remote_span_context(span_context)
    };
    let state = TraceState::from_key_value([("a", "1"), ("b", "2")]).unwrap_or_default();
    let with_baggage = |context: Context| {
        // One member: the order of several is not defined.
        let mut baggage = Baggage::new();
        baggage.insert_with_metadata("key", "a value", "property=1");
        context.with_baggage(baggage)
    };
    [
        Context::new(),
        with_baggage(Context::new()),
        traced(TraceFlags::SAMPLED, TraceState::NONE),
        traced(TraceFlags::NOT_SAMPLED, state.clone()),
        with_baggage(traced(TraceFlags::SAMPLED, state)),
    ]
}

/// Headers without a message.
#[derive(PartialEq)]
struct Headers(HashMap<String, String>);

impl Message for Headers {
    fn destination(&self) -> Destination<'_> {
        Destination::new("")
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(String::as_bytes)
    }

    fn header_names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

impl OutgoingMessage for Headers {
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected> {
        for field in fields {
            match field.value {
                Some(value) => self.0.insert(field.name.to_owned(), value.to_owned()),
                None => self.0.remove(field.name),
            };
        }
        Ok(())
    }
}
