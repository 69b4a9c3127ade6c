//! NATS: a header map has one context and all other values unchanged, or is left alone.

#[path = "../../crates/async-nats/src/headers.rs"]
mod headers;

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use async_nats::{HeaderMap, HeaderName, HeaderValue, Message, bare};
use otel_messaging_core::{CreationContext, client::Field};

use crate::words;

/// Makes hostile headers: what the client accepts, and so what it could receive.
pub fn map(bytes: &mut Unstructured<'_>) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for _ in 0..bytes.int_in_range(0..=12)? {
        let name = words::name(bytes)?.parse::<HeaderName>();
        let value = words::text(bytes)?.parse::<HeaderValue>();
        if let (Ok(name), Ok(value)) = (name, value) {
            map.append(name, value);
        }
    }
    Ok(map)
}

/// Lists the headers that no context is written to, in the order of their names.
pub fn others(map: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let named = map.iter().map(|(name, values)| (name.to_string(), texts(values)));
    named.filter(|(name, _)| !is_field(name)).collect()
}

fn texts(values: &[HeaderValue]) -> Vec<String> {
    values.iter().map(|value| value.as_str().to_owned()).collect()
}

/// Some servers rename `traceparent`, and the client crate takes that for the field, too.
pub fn is_field(name: &str) -> bool {
    words::is_field(name) || name.eq_ignore_ascii_case("Xraceparent")
}

/// Checks that injecting replaces the fields and nothing else, or leaves headers alone that would
/// be too large; and that a message with them is read as it was written.
///
/// # Errors
/// Returns an error if the bytes make no input.
pub fn check(bytes: &[u8]) -> Result<()> {
    let mut bytes = Unstructured::new(bytes);
    let context = words::context(&mut bytes)?;
    let before = bytes.ratio(7, 8)?.then(|| map(&mut bytes)).transpose()?;
    let canonical = bytes.arbitrary()?;
    let body = bytes.int_in_range(0..=300)?;
    let limit = if bytes.ratio(3, 4)? { 1 << 20 } else { bytes.int_in_range(0..=700)? };
    let size_before = before.as_ref().map_or(0, headers::size);
    assert_eq!(size_before, before.as_ref().map_or(0, wire_size), "{before:?}");
    drop(creation(before.as_ref()));

    let written: Vec<(String, String)> = context.to_map().into_iter().collect();
    let fields: Vec<Field<'_>> = words::fields(&written);
    let mut after = before.clone();
    let replaced = headers::replace(&mut after, &fields, canonical, body, limit);
    let mut expected = before.as_ref().map(others).unwrap_or_default();
    for (name, value) in &written {
        let spelled = if canonical { capitalized(name) } else { name.clone() };
        expected.insert(spelled, vec![value.clone()]);
    }
    let size: usize = expected.iter().map(|(name, values)| lines(name, values)).sum();
    let outgrows = |limit| size_before <= limit && FRAME + size > limit;
    let fits = !outgrows(usize::from(u16::MAX)) && !outgrows(limit.saturating_sub(body));
    assert_eq!(replaced.is_ok(), fits, "{before:?}, {body} of {limit}");
    if replaced.is_err() {
        assert_eq!(after, before);
        return Ok(());
    }
    let after = after.unwrap_or_default();
    let all = |map: &HeaderMap| -> BTreeMap<String, Vec<String>> {
        map.iter().map(|(name, values)| (name.to_string(), texts(values))).collect()
    };
    assert_eq!(all(&after), expected, "{before:?}");
    assert_eq!(creation(Some(&after)), context, "{before:?}");
    for (name, value) in &written {
        assert_eq!(headers::last(&after, name), Some(value.as_bytes()));
    }
    assert_eq!(headers::names(&after).len(), expected.len());
    Ok(())
}

/// The version line and the empty line.
const FRAME: usize = 12;

fn wire_size(map: &HeaderMap) -> usize {
    let lines: usize = map.iter().map(|(name, values)| lines(name.as_ref(), &texts(values))).sum();
    if lines == 0 { 0 } else { FRAME + lines }
}

fn lines(name: &str, values: &[String]) -> usize {
    values.iter().map(|value| format!("{name}: {value}\r\n").len()).sum()
}

fn capitalized(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_ascii_uppercase() + rest
}

fn creation(headers: Option<&HeaderMap>) -> CreationContext {
    let message = bare::Message {
        subject: "orders".into(),
        reply: None,
        payload: "".into(),
        headers: headers.cloned(),
        status: None,
        description: None,
        length: 0,
    };
    Message::from(message).creation_context().clone()
}
