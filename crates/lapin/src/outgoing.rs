//! A message on its way to an exchange.

use lapin::{BasicProperties, options::BasicPublishOptions, types::ShortString};
use otel_messaging_core::{
    Destination, OperationType,
    client::{Field, Message, NotInjected, OutgoingMessage},
};

use crate::{
    destination::Name,
    headers,
    properties::{Visit, ids, text},
    semconv,
    shared::Shared,
};

/// A message to be published: the arguments of [`basic_publish`](crate::Channel::basic_publish) as
/// a value, for batches.
#[derive(Clone, Debug, Default)]
pub struct Publish<'a> {
    /// The exchange; empty for the default one.
    pub exchange: ShortString,
    /// The routing key; for the default exchange, the name of the queue.
    pub routing_key: ShortString,
    /// Says what the broker does with a message that no queue takes.
    pub options: BasicPublishOptions,
    /// The body.
    pub payload: &'a [u8],
    /// The properties, with the headers.
    pub properties: BasicProperties,
}

/// A message that is published, as the core reads and changes it.
pub(crate) struct Outgoing<'p, 'c> {
    pub(crate) publish: Publish<'p>,
    pub(crate) name: Name,
    pub(crate) connection: &'c Shared,
}

impl Message for Outgoing<'_, '_> {
    fn destination(&self) -> Destination<'_> {
        self.name.destination()
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        headers::get(&self.publish.properties, name)
    }

    fn header_names(&self) -> Vec<&str> {
        headers::names(&self.publish.properties)
    }

    fn attributes<'a>(&'a self, operation: OperationType, visit: Visit<'_, 'a>) {
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
        Some(headers::size(&self.publish.properties) + self.publish.payload.len())
    }
}

impl OutgoingMessage for Outgoing<'_, '_> {
    fn replace_headers(&mut self, fields: &[Field<'_>]) -> Result<(), NotInjected> {
        headers::replace(&mut self.publish.properties, fields, self.connection.frame_max())
    }
}
