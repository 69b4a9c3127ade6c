//! What a settlement says of its message, which may be gone by then.

use lapin::{
    message::Delivery,
    types::{DeliveryTag, ShortString},
};
use otel_messaging_core::{Destination, OperationType, Received, client::Message};

use crate::{
    destination::Name,
    properties::{Visit, ids},
    semconv, unsettled,
};

/// The deliveries of a channel that wait for their settlement.
pub(crate) type Unsettled = unsettled::Unsettled<Received<Settled>>;

/// A copy of what a settle span says of a message.
#[derive(Debug)]
pub(crate) struct Settled {
    name: Name,
    tag: DeliveryTag,
    message_id: Option<ShortString>,
    correlation_id: Option<ShortString>,
}

impl Settled {
    pub(crate) fn of(delivery: &Delivery, name: &Name) -> Self {
        let Delivery { delivery_tag, properties, .. } = delivery;
        Self {
            name: name.clone(),
            tag: *delivery_tag,
            message_id: properties.message_id().clone(),
            correlation_id: properties.correlation_id().clone(),
        }
    }
}

impl Message for Settled {
    fn destination(&self) -> Destination<'_> {
        self.name.destination()
    }

    fn header(&self, _: &str) -> Option<&[u8]> {
        None
    }

    fn attributes<'a>(&'a self, _: OperationType, visit: Visit<'_, 'a>) {
        visit(semconv::DELIVERY_TAG, self.tag.into());
        ids(self.message_id.as_ref(), self.correlation_id.as_ref(), visit);
    }
}
