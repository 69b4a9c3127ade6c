//! W3C Trace Context and Baggage, written and parsed without detours: a `traceparent` costs no
//! allocation either way.
//!
//! Parsing follows the text of the recommendations, which is stricter than the SDK's propagator:
//! that one takes short ids, signs and trailing dashes.

use opentelemetry::{
    SpanId, TraceFlags, TraceId,
    baggage::{Baggage, KeyValueMetadata},
    trace::{SpanContext, TraceState},
};

pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";
pub(crate) const BAGGAGE: &str = "baggage";

const TRACEPARENT_LENGTH: usize = 55;
/// <https://www.w3.org/TR/trace-context-2/#tracestate-header-field-values>
const MAX_TRACESTATE_MEMBERS: usize = 32;
/// 32 members of a 256-byte key, an equals sign, a 256-byte value and a comma; what is longer
/// cannot be valid, so a megabyte of header is not even looked at.
const MAX_TRACESTATE_LENGTH: usize = MAX_TRACESTATE_MEMBERS * (256 + 1 + 256 + 1 + 2);
/// <https://www.w3.org/TR/baggage/#limits>
const MAX_BAGGAGE_LENGTH: usize = 8192;
const MAX_BAGGAGE_MEMBERS: usize = 64;

/// A written `traceparent`, on the stack.
pub(crate) struct Traceparent([u8; TRACEPARENT_LENGTH]);

impl Traceparent {
    pub(crate) fn of(span_context: &SpanContext) -> Self {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&span_context.trace_id().to_bytes(), &mut text[3..35]);
        write_hex(&span_context.span_id().to_bytes(), &mut text[36..52]);
        if span_context.is_sampled() {
            text[54] = b'1';
        }
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only hex digits and dashes were written, so this is never empty.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, digits) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// Reads a span context from the two headers. A bad `tracestate` is dropped alone; a bad
/// `traceparent` takes both with it.
pub(crate) fn parse_span_context(
    traceparent: &[u8],
    tracestate: Option<&[u8]>,
) -> Option<SpanContext> {
    let (trace_id, span_id, flags) = parse_traceparent(traceparent)?;
    let state = tracestate.and_then(parse_tracestate).unwrap_or(TraceState::NONE);
    Some(SpanContext::new(trace_id, span_id, flags, true, state))
}

/// <https://www.w3.org/TR/trace-context-2/#traceparent-header-field-values>
pub(crate) fn parse_traceparent(text: &[u8]) -> Option<(TraceId, SpanId, TraceFlags)> {
    let text = trim(text);
    if text.len() < TRACEPARENT_LENGTH || text[2] != b'-' || text[35] != b'-' || text[52] != b'-' {
        return None;
    }
    match read_hex::<1>(&text[..2])?[0] {
        0 if text.len() != TRACEPARENT_LENGTH => return None,
        0xff => return None,
        // A future version may have more fields, which start with a dash.
        _ if text.get(TRACEPARENT_LENGTH).is_some_and(|&byte| byte != b'-') => return None,
        _ => {}
    }
    let trace_id = TraceId::from_bytes(read_hex(&text[3..35])?);
    let span_id = SpanId::from_bytes(read_hex(&text[36..52])?);
    let flags = TraceFlags::new(read_hex::<1>(&text[53..55])?[0]) & TraceFlags::SAMPLED;
    (trace_id != TraceId::INVALID && span_id != SpanId::INVALID)
        .then_some((trace_id, span_id, flags))
}

fn read_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // Every digit is looked up and the verdict taken once: no branch a digit.
    let mut invalid = 0;
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (HEX[usize::from(digits[0])], HEX[usize::from(digits[1])]);
        invalid |= high | low;
        *byte = high << 4 | low & 15;
    }
    (invalid & NOT_HEX == 0).then_some(bytes)
}

const NOT_HEX: u8 = 0x80;

/// The value of each lower-case hex digit, [`NOT_HEX`] for any other byte.
const HEX: [u8; 256] = {
    let mut table = [NOT_HEX; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    table
};

/// <https://www.w3.org/TR/trace-context-2/#tracestate-header>: all of it, or nothing.
pub(crate) fn parse_tracestate(text: &[u8]) -> Option<TraceState> {
    if text.len() > MAX_TRACESTATE_LENGTH {
        return None;
    }
    let text = str::from_utf8(text).ok()?;
    let mut members = Vec::new();
    for member in text.split(',').map(trim_str).filter(|member| !member.is_empty()) {
        let (key, value) = member.split_once('=')?;
        let printable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let complete = !key.is_empty() && !key.ends_with('@') && !value.is_empty();
        if !printable || !complete || members.len() == MAX_TRACESTATE_MEMBERS {
            return None;
        }
        members.push((key, value));
    }
    // The rest of the grammar (characters of a key, lengths, `=` in a value) is the API's to check.
    TraceState::from_key_value(members).ok()
}

pub(crate) fn write_baggage(baggage: &Baggage) -> String {
    let mut text = String::new();
    for (key, value, metadata) in sorted_baggage(baggage) {
        if !text.is_empty() {
            text.push(',');
        }
        percent_encode(key.trim(), &mut text);
        text.push('=');
        percent_encode(value.trim(), &mut text);
        if !metadata.is_empty() {
            text.push(';');
            text.push_str(metadata);
        }
    }
    text
}

/// The members of a baggage in an order that does not change from run to run.
pub(crate) fn sorted_baggage(baggage: &Baggage) -> Vec<(&str, &str, &str)> {
    let mut members: Vec<_> = baggage
        .iter()
        .map(|(key, (value, metadata))| (key.as_str(), value.as_str(), metadata.as_str()))
        .collect();
    members.sort_unstable();
    members
}

/// <https://www.w3.org/TR/baggage/#header-content>; members that are malformed are left out.
pub(crate) fn parse_baggage(text: &[u8]) -> Option<Baggage> {
    if text.len() > MAX_BAGGAGE_LENGTH {
        return None;
    }
    let text = str::from_utf8(text).ok()?;
    let baggage: Baggage =
        text.split(',').take(MAX_BAGGAGE_MEMBERS).filter_map(parse_baggage_member).collect();
    (!baggage.is_empty()).then_some(baggage)
}

fn parse_baggage_member(member: &str) -> Option<KeyValueMetadata> {
    let mut parts = member.split(';');
    let (key, value) = parts.next()?.split_once('=')?;
    let (key, value) = (percent_decode(key.trim())?, percent_decode(value.trim())?);
    let properties: Vec<String> =
        parts.filter_map(|property| percent_decode(property.trim())).collect();
    Some(KeyValueMetadata::new(key, value, properties.join(";").as_str()))
}

/// Encodes what may not stand in a baggage value, and the percent sign itself.
fn percent_encode(text: &str, into: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for character in text.chars() {
        if character.is_ascii_graphic() && !matches!(character, '"' | ',' | ';' | '=' | '%') {
            into.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                into.push('%');
                into.push(char::from(DIGITS[usize::from(byte >> 4)]));
                into.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
}

/// Decodes `%XX`; a percent sign without two digits stands for itself. `None` if the result is
/// not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let decoded = (first == b'%')
            .then(|| tail.get(..2)?.to_ascii_lowercase().try_into().ok())
            .flatten()
            .and_then(|digits: [u8; 2]| read_hex::<1>(&digits));
        let (byte, skip) = decoded.map_or((first, 1), |[byte]| (byte, 3));
        bytes.push(byte);
        rest = &rest[skip..];
    }
    String::from_utf8(bytes).ok()
}

/// Without the optional white space that may surround a header's value.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

fn trim_str(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests;
