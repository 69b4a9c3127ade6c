//! The header table: how contexts are read from it and written into it, and when they do not fit.

use std::{collections::BTreeMap, mem};

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use otel_messaging_core::{Field, NotInjected};

const TOO_LARGE: NotInjected = NotInjected::new("the headers would not fit a frame");
const TOO_DEEP: NotInjected = NotInjected::new("the headers are nested too deep to be copied");
const INVALID_NAME: NotInjected = NotInjected::new("the name of a field is too long for AMQP");

/// Copying a table recurses; deeper ones are left alone, as the stack would not last for all.
const MAX_DEPTH: usize = 64;
/// What a header frame has beside the properties: its own head and end, and the content's.
const FRAME_OVERHEAD: usize = 8 + 12;

/// The value of the header called `name`, or else of one that differs from it in case only.
pub(crate) fn get<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a [u8]> {
    let table = properties.headers().as_ref()?.inner();
    let value = table.get(name).or_else(|| {
        let mut others = table.iter().filter(|(key, _)| key.as_str().eq_ignore_ascii_case(name));
        others.next().map(|(_, value)| value)
    });
    match value? {
        AMQPValue::LongString(text) => Some(text.as_bytes()),
        AMQPValue::ByteArray(bytes) => Some(bytes.as_slice()),
        AMQPValue::ShortString(text) => Some(text.as_str().as_bytes()),
        _ => None,
    }
}

pub(crate) fn names(properties: &BasicProperties) -> Vec<&str> {
    let names = properties.headers().iter().flat_map(|table| table.inner().keys());
    names.map(ShortString::as_str).collect()
}

/// Makes `fields` the only headers of their names, in whatever case, and leaves all others alone
/// (R3). The client has no way to take a header out, so that the table is made anew.
pub(crate) fn replace(
    properties: &mut BasicProperties,
    fields: &[Field<'_>],
    frame_max: usize,
) -> Result<(), NotInjected> {
    let is_replaced = |key: &ShortString| {
        fields.iter().any(|field| field.name.eq_ignore_ascii_case(key.as_str()))
    };
    let headers = properties.headers().iter().flat_map(FieldTable::inner);
    let kept = headers.clone().filter(|(key, _)| !is_replaced(key));
    let mut written = BTreeMap::new();
    for (name, value) in fields.iter().filter_map(|field| Some((field.name, field.value?))) {
        let name = ShortString::try_new(name).map_err(|_| INVALID_NAME)?;
        written.insert(name, AMQPValue::LongString(LongString::from(value)));
    }
    if written.is_empty() && kept.clone().count() == headers.count() {
        return Ok(());
    }
    let size = entries_size(kept.clone(), 0).ok_or(TOO_DEEP)?;
    let written_size = entries_size(&written, 0).ok_or(TOO_DEEP)?;
    let all = FRAME_OVERHEAD + properties_size(properties) + 4 + size + written_size;
    if all > frame_max {
        return Err(TOO_LARGE);
    }
    written.extend(kept.map(|(key, value)| (key.clone(), value.clone())));
    *properties = mem::take(properties).with_headers(FieldTable::from(written));
    Ok(())
}

/// The size of a message's properties on the wire, or nothing if its headers are nested too deep
/// to be looked at.
pub(crate) fn size(properties: &BasicProperties) -> Option<usize> {
    let table = properties.headers().as_ref();
    let headers = table.map_or(Some(0), |table| Some(4 + entries_size(table.inner(), 0)?));
    Some(properties_size(properties) + headers?)
}

/// All but the headers.
fn properties_size(properties: &BasicProperties) -> usize {
    let texts = [
        properties.content_type(),
        properties.content_encoding(),
        properties.correlation_id(),
        properties.reply_to(),
        properties.expiration(),
        properties.message_id(),
        properties.kind(),
        properties.user_id(),
        properties.app_id(),
        properties.cluster_id(),
    ];
    let texts: usize = texts.into_iter().flatten().map(|text| 1 + text.as_str().len()).sum();
    let bytes = [properties.delivery_mode(), properties.priority()];
    let bytes = bytes.into_iter().flatten().count();
    2 + texts + bytes + properties.timestamp().map_or(0, |_| 8)
}

fn entries_size<'a>(
    entries: impl IntoIterator<Item = (&'a ShortString, &'a AMQPValue)>,
    depth: usize,
) -> Option<usize> {
    let size =
        |(key, value): (&ShortString, _)| Some(1 + key.as_str().len() + value_size(value, depth)?);
    entries.into_iter().map(size).sum()
}

fn value_size(value: &AMQPValue, depth: usize) -> Option<usize> {
    let depth = depth + 1;
    if depth > MAX_DEPTH {
        return None;
    }
    let size = match value {
        AMQPValue::Void => 0,
        AMQPValue::Boolean(_) | AMQPValue::ShortShortInt(_) | AMQPValue::ShortShortUInt(_) => 1,
        AMQPValue::ShortInt(_) | AMQPValue::ShortUInt(_) => 2,
        AMQPValue::LongInt(_) | AMQPValue::LongUInt(_) | AMQPValue::Float(_) => 4,
        AMQPValue::DecimalValue(_) => 5,
        AMQPValue::LongLongInt(_) | AMQPValue::Double(_) | AMQPValue::Timestamp(_) => 8,
        AMQPValue::ShortString(text) => 1 + text.as_str().len(),
        AMQPValue::LongString(text) => 4 + text.len(),
        AMQPValue::ByteArray(bytes) => 4 + bytes.len(),
        AMQPValue::FieldTable(table) => 4 + entries_size(table.inner(), depth)?,
        AMQPValue::FieldArray(array) => {
            let sizes = array.as_slice().iter().map(|value| value_size(value, depth));
            4 + sizes.sum::<Option<usize>>()?
        }
    };
    Some(1 + size)
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;

    fn text(text: &str) -> AMQPValue {
        AMQPValue::LongString(text.into())
    }

    fn properties(entries: &[(&str, AMQPValue)]) -> BasicProperties {
        let entry = |(key, value): &(&str, AMQPValue)| (ShortString::from(*key), value.clone());
        let table: BTreeMap<_, _> = entries.iter().map(entry).collect();
        BasicProperties::default().with_app_id("shop".into()).with_headers(table.into())
    }

    const FIELDS: [Field<'_>; 2] = [
        Field { name: "traceparent", value: Some("new") },
        Field { name: "tracestate", value: None },
    ];

    #[test]
    fn fields_are_replaced_in_every_case_and_nothing_else() {
        let nested = AMQPValue::FieldTable(
            properties(&[("traceparent", text("1"))]).headers().clone().unwrap(),
        );
        let others = [("a", nested), ("z", AMQPValue::Void), ("traceparent2", text("2"))];
        let mut outgoing: Vec<_> = others.to_vec();
        for stale in ["traceparent", "Traceparent", "TraceState", "TRACEPARENT"] {
            outgoing.push((stale, text("old")));
        }
        let mut outgoing = properties(&outgoing);
        replace(&mut outgoing, &FIELDS, 4096).unwrap();
        let mut expected = others.to_vec();
        expected.push(("traceparent", text("new")));
        assert_eq!(outgoing, properties(&expected));
        // Where there are none, the table is made, unless there is nothing to say.
        let mut outgoing = BasicProperties::default();
        replace(&mut outgoing, &FIELDS[1..], 4096).unwrap();
        assert_eq!(outgoing, BasicProperties::default());
        replace(&mut outgoing, &FIELDS, 4096).unwrap();
        assert_eq!(get(&outgoing, "traceparent"), Some(&b"new"[..]));
    }

    #[test]
    fn what_does_not_fit_is_left_alone() {
        let before = properties(&[("filler", text(&"x".repeat(1000)))]);
        let (size_before, mut after) = (size(&before).unwrap(), before.clone());
        // Name, type, length and value of the one field, behind the table's own length.
        let full = FRAME_OVERHEAD + size_before + (1 + "traceparent".len() + 1 + 4 + "new".len());
        assert_eq!(replace(&mut after, &FIELDS, full - 1), Err(TOO_LARGE));
        assert_eq!(after, before);
        replace(&mut after, &FIELDS, full).unwrap();
        assert_eq!(size(&after), Some(full - FRAME_OVERHEAD));
        let name = "n".repeat(256);
        let too_long = [Field { name: &name, value: Some("x") }];
        assert_eq!(replace(&mut after, &too_long, 4096), Err(INVALID_NAME));
    }

    /// Whatever the depth, the stack lasts: nothing is copied, and nothing lost.
    #[test]
    fn tables_that_are_nested_too_deep_are_left_alone() {
        let nest = |depth: usize, array: bool| {
            (0..depth).fold(AMQPValue::Void, |inner, _| {
                if array {
                    return AMQPValue::FieldArray(FieldArray::from(vec![inner]));
                }
                let mut table = FieldTable::default();
                table.insert("deeper".into(), inner);
                AMQPValue::FieldTable(table)
            })
        };
        for array in [false, true] {
            let mut flat = BasicProperties::default();
            let mut table = FieldTable::default();
            table.insert("deep".into(), nest(MAX_DEPTH - 1, array));
            flat = flat.with_headers(table);
            replace(&mut flat, &FIELDS, 131_072).unwrap();
            let mut table = FieldTable::default();
            table.insert("deep".into(), nest(100_000, array));
            table.insert("traceparent".into(), text("old"));
            let mut deep = BasicProperties::default().with_headers(table);
            assert_eq!(replace(&mut deep, &FIELDS, usize::MAX), Err(TOO_DEEP));
            assert_eq!(size(&deep), None);
            assert_eq!(get(&deep, "deep"), None);
            assert_eq!(get(&deep, "traceparent"), Some(&b"old"[..]));
            // The client's own drop recurses.
            mem::forget(deep);
        }
    }
}
