//! Reads and replaces a message's headers, whatever the case of their names.

use std::str::FromStr;

use ::async_nats::{HeaderMap, HeaderName, HeaderValue};
use otel_messaging_core::client::{Field, NotInjected};

const TRACEPARENT: &str = "traceparent";
/// The names of W3C's fields, which need no check and no allocation.
const W3C: [&str; 3] = [TRACEPARENT, "tracestate", "baggage"];
/// The name that servers before 2.12.12 and 2.14 give to `traceparent` in some accounts, to keep a
/// message from being traced by the server twice.
const RENAMED_TRACEPARENT: &str = "Xraceparent";
/// The largest header block that JetStream stores. It refuses larger ones, which a publisher that
/// does not wait for the answer never learns.
const JETSTREAM_LIMIT: usize = u16::MAX as usize;
/// The version line and the empty line around the headers.
const FRAME: usize = b"NATS/1.0\r\n\r\n".len();

/// Returns the last value of a header, whatever the case of its name.
pub(crate) fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let find = |name: &str| {
        let named = headers.iter().filter(|(other, _)| text(other).eq_ignore_ascii_case(name));
        // Of several spellings always the same one: lower case, if there is one.
        let (_, values) = named.max_by_key(|(other, _)| text(other))?;
        values.last().map(AsRef::as_ref)
    };
    find(name).or_else(|| (name == TRACEPARENT).then(|| find(RENAMED_TRACEPARENT)).flatten())
}

pub(crate) fn names(headers: &HeaderMap) -> Vec<&str> {
    headers.iter().map(|(name, _)| text(name)).collect()
}

/// Returns how many bytes the headers are on the wire.
pub(crate) fn size(headers: &HeaderMap) -> usize {
    framed(headers.iter().map(|(name, values)| lines(name, values)).sum())
}

/// Adds the frame, which there is only around headers.
const fn framed(lines: usize) -> usize {
    if lines == 0 { 0 } else { FRAME + lines }
}

/// Makes each field the only one of its name, in any case, in a message whose body has `body` bytes
/// and which may have `limit` bytes with its headers.
///
/// # Errors
/// Returns [`NotInjected`] if a field cannot be a header, or if the message would become too large.
/// Then the headers are as they were.
pub(crate) fn replace(
    headers: &mut Option<HeaderMap>,
    fields: &[Field<'_>],
    canonical: bool,
    body: usize,
    limit: usize,
) -> Result<(), NotInjected> {
    let written = || fields.iter().filter_map(|field| Some((field.name, field.value?)));
    let mut fresh = 0;
    for (name, value) in written() {
        if !can_be_name(name) {
            return Err(NotInjected::new("a field's name cannot be a header's"));
        }
        if !can_be_value(value) {
            return Err(NotInjected::new("a field's value cannot be a header's"));
        }
        fresh += line(name, value);
    }
    let is_field = |name: &HeaderName| fields.iter().any(|field| is_called(text(name), field.name));
    let (mut kept, mut stale) = (0, 0);
    for (name, values) in headers.iter().flat_map(HeaderMap::iter) {
        *(if is_field(name) { &mut stale } else { &mut kept }) += lines(name, values);
    }
    let (before, after) = (framed(kept + stale), framed(kept + fresh));
    let outgrows = |limit| before <= limit && after > limit;
    if outgrows(JETSTREAM_LIMIT) || outgrows(limit.saturating_sub(body)) {
        return Err(NotInjected::new("the message would be too large"));
    }
    if stale > 0 {
        // The client's map cannot remove a name.
        let mut fresh = HeaderMap::new();
        for (name, values) in headers.iter().flat_map(HeaderMap::iter) {
            if !is_field(name) {
                for value in values {
                    fresh.append(name.clone(), value.clone());
                }
            }
        }
        *headers = Some(fresh);
    }
    for (name, value) in written() {
        // Both were checked above.
        if let (Some(name), Ok(value)) = (spell(name, canonical), HeaderValue::from_str(value)) {
            headers.get_or_insert_default().insert(name, value);
        }
    }
    Ok(())
}

fn can_be_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    W3C.contains(&name) || !name.is_empty() && name.bytes().all(is_allowed)
}

fn can_be_value(value: &str) -> bool {
    // Faster than a pattern of both, which decodes each character.
    !value.contains('\r') && !value.contains('\n')
}

/// Returns the name as it is written; `None` if it cannot be a header's.
fn spell(name: &str, canonical: bool) -> Option<HeaderName> {
    if canonical {
        // As Go's `textproto.CanonicalMIMEHeaderKey` does.
        let mut starts = true;
        let letter = |letter: char| {
            let start = std::mem::replace(&mut starts, letter == '-');
            if start { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
        };
        return spell(&name.chars().map(letter).collect::<String>(), false);
    }
    match W3C.into_iter().find(|field| *field == name) {
        Some(field) => Some(HeaderName::from_static(field)),
        None if name.is_empty() => None,
        None => name.parse().ok(),
    }
}

fn is_called(name: &str, field: &str) -> bool {
    name.eq_ignore_ascii_case(field)
        || (field == TRACEPARENT && name.eq_ignore_ascii_case(RENAMED_TRACEPARENT))
}

fn lines(name: &HeaderName, values: &[HeaderValue]) -> usize {
    values.iter().map(|value| line(text(name), value.as_str())).sum()
}

const fn line(name: &str, value: &str) -> usize {
    name.len() + value.len() + b": \r\n".len()
}

fn text(name: &HeaderName) -> &str {
    name.as_ref()
}
