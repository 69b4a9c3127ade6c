//! The attributes of a message that are off until the application asks for them.

use opentelemetry::{Array, KeyValue, StringValue, Value};

use crate::{client::Message, instrumenter::Inner, semconv};

/// Calls `set` with the attributes of a message that the application opted in to.
pub(crate) fn opt_in_attributes<M: Message + ?Sized>(
    inner: &Inner,
    message: &M,
    mut set: impl FnMut(KeyValue),
) {
    let settings = &inner.settings;
    if settings.message_keys
        && let Some(attribute) = inner.facts.system.key_attribute()
        && let Some(key) = message.key().and_then(|key| str::from_utf8(key).ok())
    {
        set(KeyValue::new(attribute, key.to_owned()));
    }
    if settings.message_sizes {
        let size = |size: usize| Value::I64(i64::try_from(size).unwrap_or(i64::MAX));
        if let Some(bytes) = message.body_size() {
            set(KeyValue::new(semconv::MESSAGE_BODY_SIZE, size(bytes)));
        }
        if let Some(bytes) = message.envelope_size() {
            set(KeyValue::new(semconv::MESSAGE_ENVELOPE_SIZE, size(bytes)));
        }
    }
    for (name, key) in &settings.captured_headers {
        if let Some(value) = message.header(name).and_then(|value| str::from_utf8(value).ok()) {
            // A list, as headers may repeat.
            let value = Value::Array(Array::String(vec![StringValue::from(value.to_owned())]));
            set(KeyValue::new(key.clone(), value));
        }
    }
}
