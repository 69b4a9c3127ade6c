//! The attributes that the properties of every message may have.

use lapin::types::ShortString;
use otel_messaging_core::{client::AttributeValue, semconv};

/// Takes the attributes of a message.
pub(crate) type Visit<'v, 'a> = &'v mut dyn FnMut(&'static str, AttributeValue<'a>);

/// Visits the ids of a message. The correlation id is the id of the conversation.
pub(crate) fn ids<'a>(
    message_id: Option<&'a ShortString>,
    correlation_id: Option<&'a ShortString>,
    visit: Visit<'_, 'a>,
) {
    text(semconv::MESSAGE_ID, message_id, visit);
    text(semconv::MESSAGE_CONVERSATION_ID, correlation_id, visit);
}

/// Visits a text, unless there is none or it is empty.
pub(crate) fn text<'a>(key: &'static str, text: Option<&'a ShortString>, visit: Visit<'_, 'a>) {
    if let Some(text) = text.map(ShortString::as_str).filter(|text| !text.is_empty()) {
        visit(key, text.into());
    }
}
