//! Where deliveries come from: what a delivery itself does not know.

use std::sync::Arc;

use lapin::{message::Delivery, types::ShortString};
use otel_messaging_core::Instrumenter;

use crate::{
    destination::{Name, Names},
    settled::Unsettled,
};

/// A queue that deliveries come from, by a consumer or one by one.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) instrumenter: Instrumenter,
    pub(crate) queue: ShortString,
    /// Whether the queue goes away with its user.
    pub(crate) temporary: bool,
    /// Whether deliveries need no settlement.
    pub(crate) no_ack: bool,
    /// The deliveries of the channel that are not settled; `None` if the channel is unknown.
    pub(crate) unsettled: Option<Arc<Unsettled>>,
    names: Names,
}

impl Origin {
    pub(crate) fn new(instrumenter: Instrumenter, queue: ShortString) -> Self {
        Self {
            instrumenter,
            queue,
            temporary: false,
            no_ack: false,
            unsettled: None,
            names: Names::default(),
        }
    }

    /// Names where a delivery comes from.
    pub(crate) fn name(&self, delivery: &Delivery) -> Name {
        if !self.instrumenter.is_enabled() {
            return Name::default();
        }
        let (exchange, routing_key) = (delivery.exchange.as_str(), delivery.routing_key.as_str());
        self.names.delivered(exchange, routing_key, self.queue.as_str(), self.temporary)
    }
}
