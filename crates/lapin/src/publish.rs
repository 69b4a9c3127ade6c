//! A message on its way to an exchange.

use lapin::{BasicProperties, options::BasicPublishOptions, types::ShortString};
use otel_messaging_core::{
    AttributeValue, Destination, Field, Message, NotInjected, OperationType, OutgoingMessage,
    semconv as core,
};

use crate::{destination::Name, headers, semconv};

/// What [`Channel::basic_publish`](crate::Channel::basic_publish) takes, as one of a batch.
#[derive(Clone, Debug, Default)]
pub struct Publish<'a> {
    /// The exchange; empty for the default one.
    pub exchange: ShortString,
    /// The routing key; for the default exchange, the name of the queue.
    pub routing_key: ShortString,
    /// What the broker does with a message that it cannot deliver.
    pub options: BasicPublishOptions,
    /// The body.
    pub payload: &'a [u8],
    /// The properties, with the headers.
    pub properties: BasicProperties,
}

/// A message that is published, as the core of the instrumentation knows it.
pub(crate) struct Outgoing<'a> {
    pub(crate) publish: Publish<'a>,
    pub(crate) name: Name,
    /// How large a frame may be.
    pub(crate) frame_max: usize,
}

impl Message for Outgoing<'_> {
    fn destination(&self) -> Destination<'_> {
        self.name.destination()
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        headers::get(&self.publish.properties, name)
    }

    fn header_names(&self) -> Vec<&str> {
        headers::names(&self.publish.properties)
    }

    fn attributes<'a>(
        &'a self,
        operation: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        let Publish { routing_key, properties, .. } = &self.publish;
        if operation != OperationType::Create {
            text(semconv::ROUTING_KEY, Some(routing_key), visit);
        }
        ids(properties.message_id().as_ref(), properties.correlation_id().as_ref(), visit);
    }

    fn body_size(&self) -> Option<usize> {
        Some(self.publish.payload.len())
    }

    fn envelope_size(&self) -> Option<usize> {
        Some(headers::size(&self.publish.properties)? + self.publish.payload.len())
    }
}

impl OutgoingMessage for Outgoing<'_> {
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected> {
        headers::replace(&mut self.publish.properties, fields, self.frame_max)
    }
}

type Visit<'v, 'a> = &'v mut dyn FnMut(&'static str, AttributeValue<'a>);

/// The attributes that every message may have.
pub(crate) fn ids<'a>(
    message_id: Option<&'a ShortString>,
    correlation_id: Option<&'a ShortString>,
    visit: Visit<'_, 'a>,
) {
    text(core::MESSAGE_ID, message_id, visit);
    text(core::MESSAGE_CONVERSATION_ID, correlation_id, visit);
}

/// A text that is not there says nothing, and neither does an empty one.
pub(crate) fn text<'a>(key: &'static str, text: Option<&'a ShortString>, visit: Visit<'_, 'a>) {
    if let Some(text) = text.map(ShortString::as_str).filter(|text| !text.is_empty()) {
        visit(key, text.into());
    }
}
