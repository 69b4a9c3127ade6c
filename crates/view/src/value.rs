//! Attributes as text.

use std::{borrow::Cow, fmt::Write};

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};

/// Returns an attribute's text, or an empty one.
pub(crate) fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    match attribute(attributes, key) {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

/// Returns an attribute's number, also if it is written as text.
pub(crate) fn number(attributes: &[KeyValue], key: &str) -> Option<u64> {
    match attribute(attributes, key)? {
        Value::IntValue(number) => u64::try_from(*number).ok(),
        Value::StringValue(text) => text.parse().ok(),
        _ => None,
    }
}

/// Tells whether an attribute is true.
pub(crate) fn is_true(attributes: &[KeyValue], key: &str) -> bool {
    matches!(attribute(attributes, key), Some(Value::BoolValue(true)))
}

fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|it| it.key == key)?.value.as_ref()?.value.as_ref()
}

/// Writes a value as people read it: a text as it is, a list as `[1, 2]`, bytes in hexadecimal.
pub(crate) fn shown(value: Option<&AnyValue>) -> Cow<'_, str> {
    match value.and_then(|it| it.value.as_ref()) {
        Some(Value::StringValue(text)) => text.into(),
        Some(value) => {
            let mut shown = String::new();
            write(value, &mut shown);
            shown.into()
        }
        None => "".into(),
    }
}

fn write(value: &Value, shown: &mut String) {
    // Writing into a `String` cannot fail.
    let _ = match value {
        Value::StringValue(text) => write!(shown, "{text:?}"),
        Value::BoolValue(it) => write!(shown, "{it}"),
        Value::IntValue(it) => write!(shown, "{it}"),
        Value::DoubleValue(it) => write!(shown, "{it}"),
        Value::BytesValue(bytes) => {
            shown.push_str(&hex(bytes));
            Ok(())
        }
        Value::ArrayValue(array) => {
            let values = array.values.iter().map(|it| (None, Some(it)));
            write_list(values, ['[', ']'], shown);
            Ok(())
        }
        Value::KvlistValue(list) => {
            let values = list.values.iter().map(|it| (Some(&*it.key), it.value.as_ref()));
            write_list(values, ['{', '}'], shown);
            Ok(())
        }
        // An index into the table of strings of OTLP profiles, which spans do not have.
        Value::StringValueStrindex(index) => write!(shown, "string {index}"),
    };
}

fn write_list<'a>(
    values: impl Iterator<Item = (Option<&'a str>, Option<&'a AnyValue>)>,
    [open, close]: [char; 2],
    shown: &mut String,
) {
    shown.push(open);
    for (nth, (key, value)) in values.enumerate() {
        shown.push_str(if nth > 0 { ", " } else { "" });
        if let Some(key) = key {
            shown.push_str(key);
            shown.push_str(": ");
        }
        match value.and_then(|it| it.value.as_ref()) {
            Some(value) => write(value, shown),
            None => shown.push_str("null"),
        }
    }
    shown.push(close);
}

/// Writes an id or bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
