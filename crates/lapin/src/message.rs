//! Instrumented deliveries, under the names that they have in [`lapin::message`].

use std::{
    borrow::Borrow,
    ops::{Deref, DerefMut},
    sync::LazyLock,
};

pub use lapin::message::*;
use lapin::{
    Result, message as bare,
    types::{DeliveryTag, MessageCount, ShortString},
};
use otel_messaging_core::{
    AsReceived, Destination, Instrumentation, Instrumenter, Operation, OperationType, Received,
    client::{Message, process_methods},
};

use crate::{
    Acker,
    destination::Name,
    headers,
    origin::Origin,
    properties::{Visit, ids, text},
    semconv, server,
    settle::settle_methods,
};

/// Instrumented [`lapin::message::Delivery`]: a delivery with the context it was created in.
///
/// It dereferences to the client's own, whose fields can be read and changed in place. Take
/// [`into_inner`](Self::into_inner) to move them out.
///
/// A consumer makes it; so can you, of the client's own, to test a handler or to process what
/// another library received:
///
/// ```
/// use otel_messaging_lapin::{bare, message::Delivery, options::BasicAckOptions};
///
/// async fn handle(order: &Delivery) -> Result<usize, std::fmt::Error> {
///     Ok(order.data.len())
/// }
///
/// # futures::executor::block_on(async {
/// let mut order =
///     bare::message::Delivery::mock(7, "shop".into(), "new".into(), false, b"7 apples".into());
/// order.properties = order.properties.with_message_id("order 7".into());
/// let order = Delivery::from(order);
/// assert_eq!(order.process(handle(&order)).await, Ok(8));
/// assert_eq!(order.ack(BasicAckOptions::default()).await, Ok(true));
/// # })
/// ```
#[derive(Debug)]
pub struct Delivery {
    received: Received<Delivered>,
    /// The acker of the delivery, whose calls are settle spans.
    pub acker: Acker,
}

impl Delivery {
    /// Wraps a delivery that did not come through an instrumented consumer, such as one that a
    /// delegate is given. `queue` is the queue it came from, empty if that is unknown.
    ///
    /// It is counted as consumed when it is processed. See
    /// [`Channel::instrumenter`](crate::Channel::instrumenter) for the instrumenter.
    pub fn from_bare(
        delivery: bare::Delivery,
        queue: ShortString,
        instrumenter: &Instrumenter,
    ) -> Self {
        Self::extract(&Origin::new(instrumenter.clone(), queue), delivery)
    }

    /// Makes a delivery for tests, as [`lapin::message::Delivery::mock`] does. It has no telemetry.
    pub fn mock(
        delivery_tag: DeliveryTag,
        exchange: ShortString,
        routing_key: ShortString,
        redelivered: bool,
        data: Vec<u8>,
    ) -> Self {
        let delivery = bare::Delivery::mock(delivery_tag, exchange, routing_key, redelivered, data);
        Self::from_bare(delivery, ShortString::default(), &Instrumenter::disabled())
    }

    /// Reads the context of a delivery, which is not counted as consumed yet.
    ///
    /// The delivery is moved last, and only once: it is large.
    #[inline]
    pub(crate) fn extract(origin: &Origin, delivery: bare::Delivery) -> Self {
        let context = Delivered::context(origin, &delivery);
        let acker = Acker::new(origin, &delivery, &context);
        Self { received: context.map(|name| Delivered { delivery, name }), acker }
    }

    process_methods!();

    settle_methods!();

    fn settle(
        &self,
        operation: Operation,
        multiple: bool,
        call: impl Future<Output = Result<bool>>,
    ) -> impl Future<Output = Result<bool>> {
        self.acker.settle_message(Some(&self.received), operation, multiple, call)
    }

    /// Returns the client's own. What is settled through it is not instrumented.
    pub const fn get_ref(&self) -> &bare::Delivery {
        &self.received.get_ref().delivery
    }

    /// Returns the client's own. What is settled through it is not instrumented.
    pub fn into_inner(self) -> bare::Delivery {
        self.received.into_inner().delivery
    }
}

/// Wraps a delivery with the default instrumentation, as [`Delivery::from_bare`] does.
impl From<bare::Delivery> for Delivery {
    fn from(delivery: bare::Delivery) -> Self {
        static DEFAULT: LazyLock<Instrumenter> =
            LazyLock::new(|| server::instrumenter(None, &Instrumentation::default()));
        Self::from_bare(delivery, ShortString::default(), &DEFAULT)
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

/// Instrumented [`lapin::message::BasicGetMessage`].
#[derive(Debug, PartialEq)]
pub struct BasicGetMessage {
    /// The delivery.
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

/// The client's delivery, or a reference to it, as the core reads it.
#[derive(Debug)]
pub struct Delivered<D = bare::Delivery> {
    delivery: D,
    name: Name,
}

impl Delivered {
    pub(crate) fn extract(origin: &Origin, delivery: bare::Delivery) -> Received<Self> {
        let context = Self::context(origin, &delivery);
        context.map(|name| Self { delivery, name })
    }

    /// Reads the context of a delivery, and names where it comes from. The delivery stays where it is.
    #[inline]
    fn context(origin: &Origin, delivery: &bare::Delivery) -> Received<Name> {
        let message = Delivered { delivery, name: origin.name(delivery) };
        origin.instrumenter.extract(message).map(|message| message.name)
    }

    pub(crate) fn into_bare(self) -> bare::Delivery {
        self.delivery
    }
}

impl<D: Borrow<bare::Delivery>> Message for Delivered<D> {
    fn destination(&self) -> Destination<'_> {
        self.name.destination()
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        headers::get(&self.delivery.borrow().properties, name)
    }

    fn header_names(&self) -> Vec<&str> {
        headers::names(&self.delivery.borrow().properties)
    }

    fn attributes<'a>(&'a self, operation: OperationType, visit: Visit<'_, 'a>) {
        let bare::Delivery { delivery_tag, routing_key, properties, .. } = self.delivery.borrow();
        if operation != OperationType::Settle {
            text(semconv::ROUTING_KEY, Some(routing_key), visit);
        }
        visit(semconv::DELIVERY_TAG, (*delivery_tag).into());
        ids(properties.message_id().as_ref(), properties.correlation_id().as_ref(), visit);
    }

    fn body_size(&self) -> Option<usize> {
        Some(self.delivery.borrow().data.len())
    }

    fn envelope_size(&self) -> Option<usize> {
        let bare::Delivery { properties, data, .. } = self.delivery.borrow();
        Some(headers::size(properties) + data.len())
    }
}

#[cfg(test)]
mod tests;
