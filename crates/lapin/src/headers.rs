//! The header table: how contexts are read from it and written into it.

use std::{collections::BTreeMap, mem};

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use otel_messaging_core::client::{Field, NotInjected};

const TOO_LARGE: NotInjected = NotInjected::new("the headers would not fit a frame");
const INVALID_NAME: NotInjected = NotInjected::new("the name of a field is too long for AMQP");

/// The size of a header frame without properties: the head and the end of the frame, and the head
/// of the content.
const FRAME_OVERHEAD: usize = 8 + 12;

/// Returns the value of the header called `name`, or else of one that differs from it in case only.
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

/// Makes `fields` the only headers of their names, in whatever case, and leaves all others as they
/// are. The client has no way to take a header out of a table, so that the table is copied.
///
/// Copying a nested table recurses, and so does dropping the old one. Both take less of the stack
/// than the client's own thread needs to read or write such a table.
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
    let table = 4 + entries_size(kept.clone()) + entries_size(&written);
    if FRAME_OVERHEAD + size_without_headers(properties) + table > frame_max {
        return Err(TOO_LARGE);
    }
    written.extend(kept.map(|(key, value)| (key.clone(), value.clone())));
    *properties = mem::take(properties).with_headers(FieldTable::from(written));
    Ok(())
}

/// Returns the size of a message's properties on the wire.
pub(crate) fn size(properties: &BasicProperties) -> usize {
    let table = properties.headers().as_ref().map_or(0, |table| 4 + entries_size(table));
    size_without_headers(properties) + table
}

fn size_without_headers(properties: &BasicProperties) -> usize {
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

fn entries_size<'a>(entries: impl IntoIterator<Item = (&'a ShortString, &'a AMQPValue)>) -> usize {
    entries.into_iter().map(|(key, value)| 1 + key.as_str().len() + value_size(value)).sum()
}

/// Measures a value and all that is nested in it.
fn value_size(value: &AMQPValue) -> usize {
    let mut size = 0;
    let mut nested = Vec::new();
    let mut next = Some(value);
    while let Some(value) = next {
        size += 1 + match value {
            AMQPValue::Void => 0,
            AMQPValue::Boolean(_) | AMQPValue::ShortShortInt(_) | AMQPValue::ShortShortUInt(_) => 1,
            AMQPValue::ShortInt(_) | AMQPValue::ShortUInt(_) => 2,
            AMQPValue::LongInt(_) | AMQPValue::LongUInt(_) | AMQPValue::Float(_) => 4,
            AMQPValue::DecimalValue(_) => 5,
            AMQPValue::LongLongInt(_) | AMQPValue::Double(_) | AMQPValue::Timestamp(_) => 8,
            AMQPValue::ShortString(text) => 1 + text.as_str().len(),
            AMQPValue::LongString(text) => 4 + text.len(),
            AMQPValue::ByteArray(bytes) => 4 + bytes.len(),
            AMQPValue::FieldTable(table) => {
                nested.extend(table.inner().values());
                4 + table.inner().keys().map(|key| 1 + key.as_str().len()).sum::<usize>()
            }
            AMQPValue::FieldArray(array) => {
                nested.extend(array.as_slice());
                4
            }
        };
        next = nested.pop();
    }
    size
}

#[cfg(test)]
mod tests {
    use lapin::types::{DecimalValue, FieldArray};

    use super::*;

    fn text(text: &str) -> AMQPValue {
        AMQPValue::LongString(text.into())
    }

    fn properties(entries: &[(&str, AMQPValue)]) -> BasicProperties {
        let entry = |(key, value): &(&str, AMQPValue)| (ShortString::from(*key), value.clone());
        let table: BTreeMap<_, _> = entries.iter().map(entry).collect();
        BasicProperties::default().with_app_id("shop".into()).with_headers(table.into())
    }

    /// Nests tables and arrays.
    fn nest(depth: usize) -> AMQPValue {
        (0..depth).fold(AMQPValue::Void, |inner, level| {
            if level % 2 == 0 {
                return AMQPValue::FieldArray(FieldArray::from(vec![inner]));
            }
            let mut table = FieldTable::default();
            table.insert("deeper".into(), inner);
            AMQPValue::FieldTable(table)
        })
    }

    const FIELDS: [Field<'_>; 2] = [
        Field { name: "traceparent", value: Some("new") },
        Field { name: "tracestate", value: None },
    ];

    #[test]
    fn fields_are_replaced_in_every_case_and_nothing_else() {
        let nested = AMQPValue::FieldTable(
            properties(&[("traceparent", text("1")), ("list", nest(3)), ("text", text("2"))])
                .headers()
                .clone()
                .unwrap(),
        );
        let array = AMQPValue::FieldArray(vec![text("1"), nested.clone(), text("3")].into());
        let others = [("a", nested), ("b", array), ("c", nest(200)), ("z", AMQPValue::Void)];
        let mut outgoing = others.to_vec();
        for stale in ["traceparent", "Traceparent", "TraceState", "TRACEPARENT"] {
            outgoing.push((stale, text("old")));
        }
        let mut outgoing = properties(&outgoing);
        replace(&mut outgoing, &FIELDS, 4096).unwrap();
        let mut expected = others.to_vec();
        expected.push(("traceparent", text("new")));
        assert_eq!(outgoing, properties(&expected));
        // Where there are none, the table is made, unless it would be empty.
        let mut outgoing = BasicProperties::default();
        replace(&mut outgoing, &FIELDS[1..], 4096).unwrap();
        assert_eq!(outgoing, BasicProperties::default());
        replace(&mut outgoing, &FIELDS, 4096).unwrap();
        assert_eq!(get(&outgoing, "traceparent"), Some(&b"new"[..]));
    }

    #[test]
    fn headers_that_would_not_fit_are_left_alone() {
        let before = properties(&[("filler", text(&"x".repeat(1000)))]);
        let (size_before, mut after) = (size(&before), before.clone());
        // Name, type, length and value of the one field, behind the table's own length.
        let full = FRAME_OVERHEAD + size_before + (1 + "traceparent".len() + 1 + 4 + "new".len());
        assert_eq!(replace(&mut after, &FIELDS, full - 1), Err(TOO_LARGE));
        assert_eq!(after, before);
        replace(&mut after, &FIELDS, full).unwrap();
        assert_eq!(size(&after), full - FRAME_OVERHEAD);
        let name = "n".repeat(256);
        let too_long = [Field { name: &name, value: Some("x") }];
        assert_eq!(replace(&mut after, &too_long, 4096), Err(INVALID_NAME));
    }

    #[test]
    fn a_table_is_as_large_as_it_is_written() {
        let table = |value| properties(&[("inner", value)]).headers().clone().unwrap();
        // A name of five letters and a type, then the value.
        let entry = 1 + 5 + 1;
        for (value, written) in [
            (AMQPValue::Void, 0),
            (AMQPValue::Boolean(true), 1),
            (AMQPValue::ShortShortInt(1), 1),
            (AMQPValue::ShortUInt(1), 2),
            (AMQPValue::LongInt(1), 4),
            (AMQPValue::Float(1.0), 4),
            (AMQPValue::DecimalValue(DecimalValue { scale: 1, value: 1 }), 5),
            (AMQPValue::Timestamp(1), 8),
            (AMQPValue::ShortString("abc".into()), 1 + 3),
            (text("abc"), 4 + 3),
            (AMQPValue::ByteArray(vec![1, 2].into()), 4 + 2),
            (AMQPValue::FieldTable(table(text("abc"))), 4 + entry + 4 + 3),
            (AMQPValue::FieldArray(vec![text("abc"), AMQPValue::Void].into()), 4 + 1 + 4 + 3 + 1),
            (
                AMQPValue::FieldArray(vec![table(text("abc")).into()].into()),
                4 + 1 + 4 + entry + 4 + 3,
            ),
        ] {
            let properties = BasicProperties::default().with_headers(table(value.clone()));
            assert_eq!(size(&properties), 2 + 4 + entry + written, "{value:?}");
        }
    }

    /// On a stack of 2 MiB, the client reads 200 levels and writes 440 in a debug build.
    #[test]
    fn tables_are_replaced_as_deep_as_the_client_can_write_them() {
        let stale = || ("traceparent", text("old"));
        let mut outgoing = properties(&[("deep", nest(450)), stale()]);
        let size_before = size(&outgoing);
        replace(&mut outgoing, &FIELDS, 4096).unwrap();
        assert_eq!(outgoing, properties(&[("deep", nest(450)), ("traceparent", text("new"))]));
        assert_eq!(size(&outgoing), size_before);
    }
}
