//! RabbitMQ: a header table has one context and all other entries unchanged, or is left alone.

#[path = "../../crates/lapin/src/headers.rs"]
mod headers;

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use lapin::{
    BasicProperties, bare,
    message::Delivery,
    protocol::basic::gen_properties,
    types::{AMQPValue, DecimalValue, FieldArray, FieldTable, ShortString},
};
use otel_messaging_core::client::Field;

use crate::words;

/// How deep tables and arrays are nested.
const DEPTH: u32 = 6;

/// Makes a hostile header table.
pub fn table(bytes: &mut Unstructured<'_>) -> Result<FieldTable> {
    nested(bytes, DEPTH)
}

fn nested(bytes: &mut Unstructured<'_>, depth: u32) -> Result<FieldTable> {
    let count = bytes.int_in_range(0..=8)?;
    let entry = |_| {
        let name = ShortString::try_new(words::name(bytes)?).unwrap_or_else(|_| "long".into());
        Ok((name, value(bytes, depth)?))
    };
    let entries: Result<BTreeMap<_, _>> = (0..count).map(entry).collect();
    entries.map(FieldTable::from)
}

fn value(bytes: &mut Unstructured<'_>, depth: u32) -> Result<AMQPValue> {
    let kinds = if depth == 0 { 15 } else { 17 };
    Ok(match bytes.int_in_range(0..=kinds)? {
        0 => AMQPValue::Void,
        1 => AMQPValue::Boolean(bytes.arbitrary()?),
        2 => AMQPValue::ShortShortInt(bytes.arbitrary()?),
        3 => AMQPValue::ShortShortUInt(bytes.arbitrary()?),
        4 => AMQPValue::ShortInt(bytes.arbitrary()?),
        5 => AMQPValue::ShortUInt(bytes.arbitrary()?),
        6 => AMQPValue::LongInt(bytes.arbitrary()?),
        7 => AMQPValue::LongUInt(bytes.arbitrary()?),
        8 => AMQPValue::LongLongInt(bytes.arbitrary()?),
        // Never NaN, which is not equal to itself.
        9 => AMQPValue::Float(f32::from(bytes.arbitrary::<i16>()?) / 4.0),
        10 => AMQPValue::Double(f64::from(bytes.arbitrary::<i32>()?) / 4.0),
        11 => {
            let (scale, value) = (bytes.arbitrary()?, bytes.arbitrary()?);
            AMQPValue::DecimalValue(DecimalValue { scale, value })
        }
        12 => AMQPValue::Timestamp(bytes.arbitrary::<u32>()?.into()),
        13 => AMQPValue::ByteArray(words::value(bytes)?.into()),
        14 | 15 => AMQPValue::LongString(words::value(bytes)?.into()),
        16 => AMQPValue::FieldTable(nested(bytes, depth - 1)?),
        _ => {
            let count = bytes.int_in_range(0..=3)?;
            let values: Result<Vec<_>> = (0..count).map(|_| value(bytes, depth - 1)).collect();
            AMQPValue::FieldArray(FieldArray::from(values?))
        }
    })
}

/// Returns the entries that no context is written to.
pub fn others(table: &FieldTable) -> BTreeMap<ShortString, AMQPValue> {
    let mut entries = table.inner().clone();
    entries.retain(|name, _| !words::is_field(name.as_str()));
    entries
}

/// Checks that injecting replaces the fields and nothing else, or leaves a table alone that would
/// not fit its frame; and that a table is as large as the client writes it.
///
/// # Errors
/// Returns an error if the bytes make no input.
pub fn check(bytes: &[u8]) -> Result<()> {
    let mut bytes = Unstructured::new(bytes);
    let context = words::context(&mut bytes)?;
    let mut before = BasicProperties::default();
    if bytes.ratio(1, 2)? {
        before = before.with_message_id("7".into()).with_timestamp(bytes.arbitrary()?);
    }
    if bytes.ratio(7, 8)? {
        before = before.with_headers(table(&mut bytes)?);
    }
    let frame_max = if bytes.ratio(3, 4)? { 131_072 } else { bytes.int_in_range(50..=700)? };
    assert_eq!(frame(&before), headers::size(&before) + FRAME, "{before:?}");
    drop(creation(&before));

    let written: Vec<(String, String)> = context.to_map().into_iter().collect();
    let fields: Vec<Field<'_>> = words::fields(&written);
    let mut after = before.clone();
    let replaced = headers::replace(&mut after, &fields, frame_max);
    let size = frame(&expected(&before, &written));
    assert_eq!(replaced.is_ok(), size <= frame_max, "{size} of {frame_max}: {before:?}");
    if replaced.is_err() {
        assert_eq!(after, before);
        return Ok(());
    }
    assert_eq!(after, expected(&before, &written));
    assert_eq!(creation(&after), context);
    for (name, value) in &written {
        assert_eq!(headers::get(&after, name), Some(value.as_bytes()));
    }
    let names = headers::names(&after);
    assert_eq!(names.iter().filter(|name| words::is_field(name)).count(), written.len());
    Ok(())
}

/// Returns the size of a header frame as the client writes it.
fn frame(properties: &BasicProperties) -> usize {
    match gen_properties(properties)(Vec::new().into()) {
        Ok(written) => FRAME + written.write.len(),
        Err(error) => panic!("the client cannot write it: {error}"),
    }
}

/// The size of a header frame without its properties: head, content head and end.
const FRAME: usize = 7 + 12 + 1;

fn expected(before: &BasicProperties, written: &[(String, String)]) -> BasicProperties {
    let mut entries = before.headers().as_ref().map(others).unwrap_or_default();
    for (name, value) in written {
        entries.insert(name.as_str().into(), AMQPValue::LongString(value.as_str().into()));
    }
    before.clone().with_headers(FieldTable::from(entries))
}

fn creation(properties: &BasicProperties) -> otel_messaging_core::CreationContext {
    let (exchange, key) = ("".into(), "orders".into());
    let mut delivery = bare::message::Delivery::mock(1, exchange, key, false, Vec::new());
    delivery.properties = properties.clone();
    Delivery::from(delivery).creation_context().clone()
}
