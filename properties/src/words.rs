//! Names and values of headers, half of them hostile, made of a fuzzer's bytes.

use arbitrary::{Result, Unstructured};
use otel_messaging_core::{CreationContext, client::Field};

/// What W3C Trace Context and Baggage write.
pub const FIELDS: [&str; 3] = ["traceparent", "tracestate", "baggage"];

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const NAMES: [&str; 14] = [
    "traceparent",
    "Traceparent",
    "TRACEPARENT",
    "tracestate",
    "TraceState",
    "baggage",
    "Baggage",
    "traceparen",
    "traceparent-",
    "Xtraceparent",
    "id",
    "ID",
    "a",
    "x",
];

const VALUES: [&str; 8] = [
    "",
    TRACEPARENT,
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
    "vendor=1,other=2",
    ",,=;%,%zz",
    "tenant=north,user=%C3%A9%00;ttl=3",
    "\u{1}\t\u{7f}",
    "h\u{e9}\u{1f980}",
];

/// Makes a header's name, often one that a context is written to.
pub fn name(bytes: &mut Unstructured<'_>) -> Result<String> {
    Ok(if bytes.ratio(3, 4)? {
        (*bytes.choose(&NAMES)?).to_owned()
    } else {
        bytes.arbitrary::<&str>()?.to_owned()
    })
}

/// Makes a header's value of text.
pub fn text(bytes: &mut Unstructured<'_>) -> Result<String> {
    Ok(if bytes.ratio(1, 2)? {
        (*bytes.choose(&VALUES)?).to_owned()
    } else {
        bytes.arbitrary::<&str>()?.to_owned()
    })
}

/// Makes a header's value of any bytes.
pub fn value(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    Ok(if bytes.ratio(1, 2)? {
        text(bytes)?.into_bytes()
    } else {
        bytes.arbitrary::<&[u8]>()?.to_vec()
    })
}

/// Makes a context that could be injected: valid, with `tracestate` and baggage or without.
pub fn context(bytes: &mut Unstructured<'_>) -> Result<CreationContext> {
    let (state, baggage) = (text(bytes)?, text(bytes)?);
    let traceparent = format!("00-{:032x}-{:016x}-01", bytes.arbitrary::<u64>()?, 7);
    let fields = FIELDS.into_iter().zip([traceparent.as_str(), &state, &baggage]);
    let context = CreationContext::from_map(fields);
    Ok(if context.is_valid() {
        context
    } else {
        CreationContext::from_map([(FIELDS[0], TRACEPARENT)])
    })
}

/// Lists what injecting a context writes, and removes where it has no value.
pub fn fields(written: &[(String, String)]) -> Vec<Field<'_>> {
    let value = |name| written.iter().find(|(field, _)| field == name);
    let field = |name| Field { name, value: value(name).map(|(_, value)| value.as_str()) };
    FIELDS.map(field).to_vec()
}

/// Returns whether a header is replaced when a context is injected.
pub fn is_field(name: &str) -> bool {
    FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name))
}
