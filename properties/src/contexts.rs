//! W3C Trace Context and Baggage: what is read of any bytes, compared with the SDK's propagators.

use std::collections::HashMap;

use arbitrary::Result;
use opentelemetry::{
    Context,
    baggage::{Baggage, BaggageExt},
    propagation::TextMapPropagator,
    trace::{TraceContextExt, TraceState},
};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use otel_messaging_core::{
    CreationContext, Destination, Instrumentation, Instrumenter, Propagation, System,
    client::Message,
};

use crate::words::FIELDS;

/// A message with these values of the three fields.
struct Headers<'a>([&'a [u8]; 3]);

impl Message for Headers<'_> {
    fn destination(&self) -> Destination<'_> {
        Destination::new("orders")
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        Some(self.0[FIELDS.iter().position(|field| *field == name)?])
    }
}

/// Checks the fields `traceparent`, `tracestate` and `baggage`, which the bytes hold one a line.
///
/// A `traceparent` is read if the recommendation's grammar has it, and never otherwise. Then the SDK
/// reads the same. What is read is written so that it is read again.
///
/// # Errors
/// Never: any bytes are an input.
pub fn check(bytes: &[u8]) -> Result<()> {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let fields = FIELDS.map(|_| lines.next().unwrap_or_default());
    let [traceparent, tracestate, baggage] = fields;
    let creation = extract(Headers(fields));
    assert_eq!(creation.is_valid(), is_traceparent(traceparent), "{}", show(traceparent));
    let sdk = sdk(fields);
    if creation.is_valid() {
        let (ours, theirs) = (creation.span_context(), sdk.span().span_context().clone());
        assert_eq!(ours.trace_id(), theirs.trace_id(), "{}", show(traceparent));
        assert_eq!(ours.span_id(), theirs.span_id(), "{}", show(traceparent));
        assert_eq!(ours.is_sampled(), theirs.is_sampled(), "{}", show(traceparent));
        // The SDK's reads more that is no `tracestate`. It keeps empty members, which the API's type
        // then leaves out, and cuts a list off behind 32 of them.
        if *ours.trace_state() != TraceState::NONE {
            let (ours, theirs) = (ours.trace_state().header(), theirs.trace_state().header());
            assert!(ours.starts_with(&without_space(&theirs)), "{}", show(tracestate));
        }
    }
    let members = creation.baggage().map_or(0, Baggage::len);
    assert!(members <= 64 && sdk.baggage().len() >= members.min(1), "{}", show(baggage));

    // Once written, it is the same for ever.
    let map = creation.to_map();
    let again = CreationContext::from_map(&map);
    assert_eq!(again.span_context(), creation.span_context(), "{map:?}");
    assert_eq!(again.to_map(), map, "{}", show(baggage));
    Ok(())
}

fn extract(headers: Headers<'_>) -> CreationContext {
    const SYSTEM: System = System::new("test", "properties", "0");
    let instrumentation = Instrumentation::builder()
        .with_propagator(Propagation::TraceContextAndBaggage)
        .with_tracing(false)
        .with_metrics(false)
        .build();
    let received = Instrumenter::builder(SYSTEM).build(&instrumentation).extract(headers);
    received.creation_context().clone()
}

/// Returns what the SDK's propagators read of the fields that are text.
fn sdk(fields: [&[u8]; 3]) -> Context {
    let texts = FIELDS.into_iter().zip(fields);
    let carrier: HashMap<String, String> = texts
        .filter_map(|(name, bytes)| {
            let text = str::from_utf8(bytes).ok()?;
            // White space around a value belongs to HTTP, which the SDK leaves to its caller.
            Some((name.to_owned(), text.trim_matches([' ', '\t']).to_owned()))
        })
        .collect();
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    BaggagePropagator::new().extract_with_context(&context, &carrier)
}

/// The grammar of <https://www.w3.org/TR/trace-context-2/#traceparent-header-field-values>.
fn is_traceparent(bytes: &[u8]) -> bool {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !is_space(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    let parts: Vec<&[u8]> = bytes[start..end].split(|&byte| byte == b'-').collect();
    let [version, trace, span, flags, more @ ..] = &parts[..] else { return false };
    let is_hex = |part: &[u8], length: usize| {
        part.len() == length && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |part: &[u8], length| is_hex(part, length) && part.iter().any(|&byte| byte != b'0');
    is_hex(version, 2)
        && *version != b"ff"
        && is_id(trace, 32)
        && is_id(span, 16)
        && is_hex(flags, 2)
        && (more.is_empty() || (*version != b"00" && bytes.is_ascii()))
}

fn without_space(header: &str) -> String {
    header.split(',').map(|member| member.trim_matches([' ', '\t'])).collect::<Vec<_>>().join(",")
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
