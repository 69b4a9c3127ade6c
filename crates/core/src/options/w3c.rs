//! Writes and parses W3C Trace Context and Baggage. A `traceparent` is written and parsed without
//! an allocation.
//!
//! Parsing follows the recommendations. It is stricter than the SDK's propagator, which accepts
//! short ids, signs and trailing dashes.
//!
//! The API's `TraceState` implements Level 1 of the recommendation. It cannot represent a key that
//! only Level 2 allows: a `tracestate` with such a key is dropped completely.

use opentelemetry::{
    SpanId, TraceFlags, TraceId,
    baggage::{Baggage, KeyValueMetadata},
    trace::{SpanContext, TraceState},
};

pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";
pub(crate) const BAGGAGE: &str = "baggage";

const TRACEPARENT_LENGTH: usize = 55;
/// The maximum number of members: <https://www.w3.org/TR/trace-context-2/#tracestate-header-field-values>.
const MAX_TRACESTATE_MEMBERS: usize = 32;
/// The length of 32 members with a 256-byte key, an equals sign, a 256-byte value, a comma and two
/// spaces. Longer headers are invalid, and are refused without parsing them.
const MAX_TRACESTATE_LENGTH: usize = MAX_TRACESTATE_MEMBERS * (256 + 1 + 256 + 1 + 2);
/// The maximum length of the header, in bytes: <https://www.w3.org/TR/baggage/#limits>.
const MAX_BAGGAGE_LENGTH: usize = 8192;
const MAX_BAGGAGE_MEMBERS: usize = 64;

/// A `traceparent` on the stack. It is aligned, as the check for UTF-8 reads whole words.
#[repr(align(8))]
pub(crate) struct Traceparent([u8; TRACEPARENT_LENGTH]);

impl Traceparent {
    pub(crate) fn of(span_context: &SpanContext) -> Self {
        let mut ids = [0; 32];
        ids[..16].copy_from_slice(&span_context.trace_id().to_bytes());
        ids[16..24].copy_from_slice(&span_context.span_id().to_bytes());
        let digits = hex(ids);
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..35].copy_from_slice(&digits[..32]);
        text[36..52].copy_from_slice(&digits[32..48]);
        if span_context.is_sampled() {
            text[54] = b'1';
        }
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        // The bytes are hex digits and dashes, so this is always valid UTF-8.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Returns the hex digits of each byte. It has no branches, and works on pairs of digits, so that the
/// compiler vectorises it.
fn hex(bytes: [u8; 32]) -> [u8; 64] {
    const GAP: u16 = (b'a' - b'9' - 1) as u16;
    let mut digits = [0; 64];
    for (byte, pair) in bytes.into_iter().zip(digits.as_chunks_mut().0) {
        let byte = u16::from(byte);
        let values = byte >> 4 | (byte & 0x0f) << 8;
        let letters = ((values + 0x7676) & 0x8080) >> 7;
        *pair = (values + u16::from_le_bytes([b'0'; 2]) + letters * GAP).to_le_bytes();
    }
    digits
}

/// Parses a span context from the two headers. Ignores an invalid `tracestate`. Returns `None` if
/// the `traceparent` is invalid.
pub(crate) fn parse_span_context(
    traceparent: &[u8],
    tracestate: Option<&[u8]>,
) -> Option<SpanContext> {
    let ids = parse_traceparent(traceparent)?;
    let state = tracestate.and_then(parse_tracestate).unwrap_or(TraceState::NONE);
    Some(span_context(ids, state))
}

/// Makes the context of a remote span.
#[inline]
pub(crate) fn span_context(
    (trace_id, span_id, flags): (TraceId, SpanId, TraceFlags),
    state: TraceState,
) -> SpanContext {
    SpanContext::new(trace_id, span_id, flags, true, state)
}

/// Parses a `traceparent`: <https://www.w3.org/TR/trace-context-2/#traceparent-header-field-values>.
#[inline]
pub(crate) fn parse_traceparent(text: &[u8]) -> Option<(TraceId, SpanId, TraceFlags)> {
    let (text, more) = match text.split_first_chunk::<TRACEPARENT_LENGTH>() {
        Some((text, [])) if text[0] > b' ' => (text, [].as_slice()),
        _ => trim(text).split_first_chunk::<TRACEPARENT_LENGTH>()?,
    };
    if text[2] != b'-' || text[35] != b'-' || text[52] != b'-' {
        return None;
    }
    let mut digits = [0; 48];
    digits[..32].copy_from_slice(&text[3..35]);
    digits[32..].copy_from_slice(&text[36..52]);
    let ids = read_hex(&digits)?;
    let (version, flags) = (read_byte([text[0], text[1]])?, read_byte([text[53], text[54]])?);
    match (version, more) {
        (0xff, _) => return None,
        (_, []) => {}
        // Later versions may have more fields, after another dash.
        (1.., [b'-', ..]) if more.is_ascii() => {}
        _ => return None,
    }
    let (trace_id, span_id) = ids.split_first_chunk()?;
    let (trace_id, span_id) = (TraceId::from_bytes(*trace_id), span_id.first_chunk()?);
    let span_id = SpanId::from_bytes(*span_id);
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    (trace_id != TraceId::INVALID && span_id != SpanId::INVALID)
        .then_some((trace_id, span_id, flags))
}

/// Parses lower-case hex digits, two a byte. It has no branches before the end, so that the
/// compiler vectorises it. Inlined, its last loop would not be.
#[inline(never)]
fn read_hex(digits: &[u8; 48]) -> Option<[u8; 24]> {
    let mut values = [0; 48];
    for (value, &digit) in values.iter_mut().zip(digits) {
        *value = hex_value(digit);
    }
    if values.iter().fold(0, |all, value| all | value) > 0x0f {
        return None;
    }
    let mut bytes = [0; 24];
    for (byte, &pair) in bytes.iter_mut().zip(values.as_chunks().0) {
        let values = u16::from_le_bytes(pair);
        *byte = (values << 4 | values >> 8).to_le_bytes()[0];
    }
    Some(bytes)
}

#[inline]
fn read_byte([high, low]: [u8; 2]) -> Option<u8> {
    let (high, low) = (hex_value(high), hex_value(low));
    ((high | low) <= 0x0f).then_some(high << 4 | low)
}

/// Returns the value of a lower-case hex digit, and more than 15 for other characters.
#[inline]
const fn hex_value(digit: u8) -> u8 {
    let (number, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
    let letter = if letter < 6 { letter + 10 } else { 0xff };
    if number < 10 { number } else { letter }
}

/// Parses a `tracestate`. Returns `None` if one of its members is invalid.
///
/// <https://www.w3.org/TR/trace-context-2/#tracestate-header>
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
    // The API checks the rest of the grammar: the characters of keys, lengths, and `=` in values.
    TraceState::from_key_value(members).ok()
}

pub(crate) fn write_baggage(baggage: &Baggage) -> String {
    let mut text = String::new();
    for (key, value, metadata) in sorted_baggage(baggage) {
        if !text.is_empty() {
            text.push(',');
        }
        percent_encode(key, "", &mut text);
        text.push('=');
        percent_encode(value, "", &mut text);
        if !metadata.is_empty() {
            text.push(';');
            percent_encode(metadata, ";=", &mut text);
        }
    }
    text
}

/// Returns the members of a baggage sorted, as the order of its hash map differs between runs.
pub(crate) fn sorted_baggage(baggage: &Baggage) -> Vec<(&str, &str, &str)> {
    let mut members: Vec<_> = baggage
        .iter()
        .map(|(key, (value, metadata))| (key.as_str(), value.as_str(), metadata.as_str()))
        .collect();
    members.sort_unstable();
    members
}

/// Parses a `baggage` header. Leaves out invalid members.
///
/// <https://www.w3.org/TR/baggage/#header-content>
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

/// Encodes the characters that a baggage value may not contain, except `kept`, and the percent sign
/// itself.
fn percent_encode(text: &str, kept: &str, into: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for character in text.chars() {
        let is_special = matches!(character, '"' | ',' | ';' | '=' | '%' | '\\');
        if character.is_ascii_graphic() && (!is_special || kept.contains(character)) {
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

/// Decodes `%XX`. Keeps a percent sign that two digits do not follow. Returns `None` if the result
/// is not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let decoded = (first == b'%')
            .then(|| str::from_utf8(tail.get(..2)?).ok())
            .flatten()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (byte, skip) = decoded.map_or((first, 1), |byte| (byte, 3));
        bytes.push(byte);
        rest = &rest[skip..];
    }
    String::from_utf8(bytes).ok()
}

/// Removes the optional white space around a header's value.
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
