use std::collections::BTreeMap;

use opentelemetry::{
    SpanId, TraceFlags, TraceId,
    baggage::Baggage,
    propagation::{TextMapCompositePropagator, text_map_propagator::FieldIter},
    trace::TraceState,
};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

use super::*;
use crate::Destination;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A message with headers of any bytes.
#[derive(Clone, Debug, Default, PartialEq)]
struct Bytes(BTreeMap<String, Vec<u8>>);

impl Bytes {
    fn of<const N: usize>(headers: [(&str, &[u8]); N]) -> Self {
        Self(headers.map(|(name, value)| (name.to_owned(), value.to_vec())).into())
    }
}

fn extract(propagator: &Propagator, message: &Bytes) -> CreationContext {
    propagator.extract(message, Trust::Full, &BaggageKeys::All)
}

impl Message for Bytes {
    fn destination(&self) -> Destination<'_> {
        Destination::new("")
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }

    fn header_names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

impl OutgoingMessage for Bytes {
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected> {
        for field in fields {
            match field.value {
                Some(value) => self.0.insert(field.name.to_owned(), value.into()),
                None => self.0.remove(field.name),
            };
        }
        Ok(())
    }
}

fn w3c_composite() -> TextMapCompositePropagator {
    TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ])
}

/// Returns the core's own W3C code, and the SDK's propagators behind the API's traits.
fn both_paths() -> [Propagator; 2] {
    [Propagator::W3c { baggage: true }, Propagator::Custom(Arc::new(w3c_composite()))]
}

fn span_context(state: TraceState) -> SpanContext {
    let (trace, span) = (TraceId::from_hex(TRACE).unwrap(), SpanId::from_hex(SPAN).unwrap());
    SpanContext::new(trace, span, TraceFlags::SAMPLED, true, state)
}

/// Asserts that both paths refuse invalid fields. All cases of the W3C test suite are in
/// `w3c::tests`.
#[test]
fn both_paths_refuse_what_is_malformed() {
    let valid = format!("00-{TRACE}-{SPAN}-01");
    let malformed = [
        String::new(),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-extra"),
        format!("01-{TRACE}-{SPAN}-01extra"),
        format!("00-{}-{SPAN}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-{}-{SPAN}-01", &TRACE[1..]),
        format!("00-+{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-+1"),
        format!("00-{TRACE}-{SPAN}"),
        "x".repeat(1 << 20),
    ];
    for propagator in both_paths() {
        for text in &malformed {
            let headers = Bytes::of([("traceparent", text.as_bytes()), ("tracestate", b"a=1")]);
            assert_eq!(
                extract(&propagator, &headers),
                CreationContext::NONE,
                "{propagator:?}: {}",
                &text[..text.len().min(80)]
            );
        }
        let not_text = Bytes::of([("traceparent", &[0xff; 55])]);
        assert_eq!(extract(&propagator, &not_text), CreationContext::NONE, "{propagator:?}");
        let future = format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like");
        let found = extract(&propagator, &Bytes::of([("traceparent", future.as_bytes())]));
        assert_eq!(found.span_context(), &span_context(TraceState::NONE), "{propagator:?}");
        let members = |n: usize| (0..n).map(|i| format!("k{i}={i}")).collect::<Vec<_>>().join(",");
        for (state, expected) in [
            (members(32), members(32)),
            (members(33), String::new()),
            ("not=a=list".to_owned(), String::new()),
            ("a".repeat(1 << 20), String::new()),
        ] {
            let headers =
                Bytes::of([("traceparent", valid.as_bytes()), ("tracestate", state.as_bytes())]);
            let found = extract(&propagator, &headers);
            assert!(found.is_valid(), "{propagator:?}");
            assert_eq!(found.span_context().trace_state().header(), expected, "{propagator:?}");
        }
    }
}

#[test]
fn both_paths_replace_what_a_message_carries() {
    let others = Bytes::of([("user", b"\xffkept"), ("Traceparent", b"another name")]);
    let carried = |traced: &Bytes| {
        let mut headers = others.clone();
        headers.0.extend(traced.0.clone());
        headers
    };
    let state = TraceState::from_key_value([("a", "1")]).unwrap();
    let mut baggage = Baggage::new();
    baggage.insert("tenant", "north");
    let outdated =
        [("traceparent", &b"00-stale"[..]), ("tracestate", b"stale=1"), ("baggage", b"stale=1")];
    for propagator in both_paths() {
        let mut message = carried(&Bytes::of(outdated));
        propagator.inject(&span_context(TraceState::NONE), &Context::new(), &mut message).unwrap();
        let traceparent = format!("00-{TRACE}-{SPAN}-01");
        let bare = Bytes::of([("traceparent", traceparent.as_bytes())]);
        assert_eq!(message, carried(&bare), "{propagator:?}: no stale and no empty fields");

        let context = Context::new().with_baggage(
            baggage
                .iter()
                .map(|(key, (value, _))| opentelemetry::KeyValue::new(key.clone(), value.clone())),
        );
        for _ in 0..3 {
            propagator.inject(&span_context(state.clone()), &context, &mut message).unwrap();
        }
        let full = Bytes::of([
            ("traceparent", traceparent.as_bytes()),
            ("tracestate", b"a=1"),
            ("baggage", b"tenant=north"),
        ]);
        assert_eq!(message, carried(&full), "{propagator:?}");
        let found = extract(&propagator, &message);
        assert_eq!(found.span_context(), &span_context(state.clone()));
        assert_eq!(found.baggage().unwrap().get("tenant").unwrap().as_str(), "north");

        let mut message = carried(&Bytes::of(outdated));
        propagator.inject(&SpanContext::NONE, &Context::new(), &mut message).unwrap();
        assert_eq!(message, carried(&Bytes::of(outdated)), "{propagator:?}: nothing to inject");
    }
}

/// A propagator that injects or extracts nothing, as at a trust boundary.
#[derive(Debug)]
struct Boundary {
    injects: bool,
    extracts: bool,
    inner: TraceContextPropagator,
}

impl TextMapPropagator for Boundary {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        if self.injects {
            self.inner.inject_context(context, injector);
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        if self.extracts {
            self.inner.extract_with_context(context, extractor)
        } else {
            context.clone()
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        self.inner.fields()
    }
}

/// A propagator for W3C Trace Context that adds another header.
#[derive(Debug)]
struct Extended(TraceContextPropagator);

impl TextMapPropagator for Extended {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        self.0.inject_context(context, injector);
        injector.set("x-tenant", "north".to_owned());
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        self.0.extract_with_context(context, extractor)
    }

    fn fields(&self) -> FieldIter<'_> {
        self.0.fields()
    }
}

#[test]
fn only_an_equal_propagator_is_replaced_by_the_w3c_code() {
    let boundary =
        |injects, extracts| Boundary { injects, extracts, inner: TraceContextPropagator::new() };
    let probed = |propagator: &dyn TextMapPropagator| probe::w3c_equivalent(propagator);
    assert_eq!(probed(&TraceContextPropagator::new()), Some(false));
    assert_eq!(probed(&w3c_composite()), Some(true));
    assert_eq!(probed(&boundary(true, true)), Some(false));
    assert_eq!(probed(&boundary(true, false)), None, "it does not extract");
    assert_eq!(probed(&boundary(false, true)), None, "it does not inject");
    assert_eq!(probed(&BaggagePropagator::new()), None);
    assert_eq!(probed(&Extended(TraceContextPropagator::new())), None);
}
