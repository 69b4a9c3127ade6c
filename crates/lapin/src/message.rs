//! Deliveries that know the context they were created in.
//!
//! Mirrors [`lapin::message`]: deliveries stand under their own names.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

pub use lapin::message::*;
use lapin::{
    message as bare,
    options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions},
    types::{DeliveryTag, MessageCount, ShortString},
};
use otel_messaging_core::{
    AsReceived, AttributeValue, Clock, Destination, Endpoint, Operation, OperationType, Received,
    process_methods,
};

use crate::{
    Acker,
    destination::{Name, Names},
    headers,
    publish::{ids, text},
    semconv,
    unsettled::Unsettled,
};

/// [`lapin::message::Delivery`] with its creation context.
///
/// It dereferences to the client's own, whose fields can be read and changed in place; moving them
/// out takes [`into_inner`](Self::into_inner).
#[derive(Debug)]
pub struct Delivery {
    received: Received<Delivered>,
    /// The acker used to ack/nack the message, in a settle span.
    pub acker: Acker,
}

impl Delivery {
    /// A delivery that did not come through this crate's consumer: one of a delegate, or of a test.
    /// `queue` is where it was delivered from. It is counted as consumed when it is processed.
    pub fn new(delivery: bare::Delivery, queue: ShortString, endpoint: &Endpoint) -> Self {
        let source = Source::new(queue, endpoint.clone(), Arc::default());
        Self::of(Arc::new(source).hold(delivery))
    }

    /// A delivery for tests, as [`lapin::message::Delivery::mock`] makes it. It belongs to no
    /// consumer: processing and settling it is not traced.
    pub fn mock(
        delivery_tag: DeliveryTag,
        exchange: ShortString,
        routing_key: ShortString,
        redelivered: bool,
        data: Vec<u8>,
    ) -> Self {
        let delivery = bare::Delivery::mock(delivery_tag, exchange, routing_key, redelivered, data);
        Self::new(delivery, ShortString::default(), &Endpoint::disabled())
    }

    pub(crate) fn of(received: Received<Delivered>) -> Self {
        let acker = Acker::of(&received);
        Self { received, acker }
    }

    process_methods!();

    /// Acknowledges the delivery, in a settle span; see [`Acker::ack`].
    ///
    /// # Errors
    /// Those of the client, each with a failed span.
    pub async fn ack(&self, options: BasicAckOptions) -> lapin::Result<bool> {
        self.acker.ack(options).await
    }

    /// Says that the delivery was not processed, in a settle span; see [`Acker::nack`].
    ///
    /// # Errors
    /// Those of the client, each with a failed span.
    pub async fn nack(&self, options: BasicNackOptions) -> lapin::Result<bool> {
        self.acker.nack(options).await
    }

    /// Refuses the delivery, in a settle span; see [`Acker::reject`].
    ///
    /// # Errors
    /// Those of the client, each with a failed span.
    pub async fn reject(&self, options: BasicRejectOptions) -> lapin::Result<bool> {
        self.acker.reject(options).await
    }

    /// The queue it was delivered from.
    pub fn queue(&self) -> &ShortString {
        &self.received.get_ref().source.queue
    }

    /// The tag of the consumer it was delivered to; none if the application asked for it.
    pub fn consumer_tag(&self) -> Option<&ShortString> {
        self.received.get_ref().source.consumer_tag.as_ref()
    }

    /// The client's own delivery.
    pub const fn get_ref(&self) -> &bare::Delivery {
        &self.received.get_ref().delivery
    }

    /// The client's own delivery, without the creation context. What is settled through it has no
    /// span.
    pub fn into_inner(self) -> bare::Delivery {
        self.received.into_inner().delivery
    }
}

impl Deref for Delivery {
    type Target = bare::Delivery;

    fn deref(&self) -> &Self::Target {
        self.get_ref()
    }
}

impl DerefMut for Delivery {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.received.get_mut().delivery
    }
}

impl AsReceived for Delivery {
    type Message = Delivered;

    fn as_received(&self) -> &Received<Self::Message> {
        &self.received
    }
}

impl PartialEq for Delivery {
    fn eq(&self, other: &Self) -> bool {
        self.get_ref() == other.get_ref()
    }
}

/// [`lapin::message::BasicGetMessage`] with its creation context.
#[derive(Debug, PartialEq)]
pub struct BasicGetMessage {
    /// The message, and what settles it.
    pub delivery: Delivery,
    /// How many messages were left in the queue.
    pub message_count: MessageCount,
}

impl Deref for BasicGetMessage {
    type Target = Delivery;

    fn deref(&self) -> &Self::Target {
        &self.delivery
    }
}

impl DerefMut for BasicGetMessage {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.delivery
    }
}

/// A delivery of the client's, as the core of the instrumentation reads it.
#[derive(Debug)]
pub struct Delivered {
    pub(crate) delivery: bare::Delivery,
    pub(crate) name: Name,
    pub(crate) source: Arc<Source>,
}

impl otel_messaging_core::Message for Delivered {
    fn destination(&self) -> Destination<'_> {
        self.name.destination()
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        headers::get(&self.delivery.properties, name)
    }

    fn header_names(&self) -> Vec<&str> {
        headers::names(&self.delivery.properties)
    }

    fn attributes<'a>(
        &'a self,
        operation: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        let bare::Delivery { delivery_tag, routing_key, properties, .. } = &self.delivery;
        if operation != OperationType::Settle {
            text(semconv::ROUTING_KEY, Some(routing_key), visit);
        }
        if let Ok(tag) = i64::try_from(*delivery_tag) {
            visit(semconv::DELIVERY_TAG, tag.into());
        }
        ids(properties.message_id().as_ref(), properties.correlation_id().as_ref(), visit);
    }

    fn body_size(&self) -> Option<usize> {
        Some(self.delivery.data.len())
    }

    fn envelope_size(&self) -> Option<usize> {
        Some(headers::size(&self.delivery.properties)? + self.delivery.data.len())
    }
}

/// What deliveries come from: what a delivery itself does not know.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) queue: ShortString,
    pub(crate) consumer_tag: Option<ShortString>,
    /// Whether the queue goes away with its user.
    pub(crate) temporary: bool,
    /// Whether deliveries are settled by being delivered.
    pub(crate) no_ack: bool,
    pub(crate) endpoint: Endpoint,
    pub(crate) unsettled: Arc<Unsettled>,
    pub(crate) names: Names,
}

impl Source {
    pub(crate) fn new(queue: ShortString, endpoint: Endpoint, unsettled: Arc<Unsettled>) -> Self {
        Self {
            queue,
            consumer_tag: None,
            temporary: false,
            no_ack: false,
            endpoint,
            unsettled,
            names: Names::default(),
        }
    }

    pub(crate) fn receive(
        self: &Arc<Self>,
        operation: Operation,
        clock: Clock,
        delivery: bare::Delivery,
    ) -> Delivery {
        Delivery::of(self.endpoint.receive(operation, clock, self.delivered(delivery)))
    }

    pub(crate) fn hold(self: &Arc<Self>, delivery: bare::Delivery) -> Received<Delivered> {
        self.endpoint.hold(self.delivered(delivery))
    }

    fn delivered(self: &Arc<Self>, delivery: bare::Delivery) -> Delivered {
        let name = if self.endpoint.is_enabled() {
            let exchange = delivery.exchange.as_str();
            let (routing_key, queue) = (delivery.routing_key.as_str(), self.queue.as_str());
            self.names.delivered(exchange, routing_key, queue, self.temporary)
        } else {
            Name::default()
        };
        Delivered { delivery, name, source: Arc::clone(self) }
    }
}
