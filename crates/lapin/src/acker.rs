//! Settling: telling the broker what became of a delivery (rule R17).

use std::sync::Arc;

use lapin::{
    Result,
    options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions},
    types::ShortString,
};
use opentelemetry::KeyValue;
use otel_messaging_core::{
    ActiveOperation, AttributeValue, Destination, Endpoint, ErrorType, Failure, Message, Operation,
    OperationType, Received, semconv as core,
};

use crate::{
    destination::Name, failure, message::Delivered, publish::ids, semconv, unsettled::Unsettled,
    wrapper::wrapper,
};

/// [`lapin::Acker`] whose calls have their settle spans: linked to the message, and children of
/// the ambient span, else of the one that processed the message.
///
/// Where the client tells the broker nothing, as the delivery is settled already, there is no span.
/// An acker that is poisoned (the channel is gone, and the broker will deliver again) answers
/// `Ok(false)` as the client's does; its span says `poisoned`.
#[derive(Clone)]
pub struct Acker {
    bare: lapin::Acker,
    /// What is settled, and among what; nothing if nobody is told.
    known: Option<(Arc<Received<Settled>>, Arc<Unsettled>)>,
}

wrapper!(Acker, lapin::Acker);

impl Acker {
    /// The acker of a delivery that was received.
    pub(crate) fn of(received: &Received<Delivered>) -> Self {
        let Delivered { delivery, source, .. } = received.get_ref();
        let known = received.endpoint().is_enabled().then(|| {
            let settled = Arc::new(received.map_ref(Settled::of));
            let waits = (!source.no_ack).then(|| Arc::clone(&settled));
            source.unsettled.add(delivery.delivery_tag, waits);
            (settled, Arc::clone(&source.unsettled))
        });
        Self { bare: delivery.acker.clone(), known }
    }

    /// [`lapin::Acker::ack`] in its span. Of several, the span says how many they are where that
    /// is known: where all deliveries of the channel up to this one came through this crate.
    ///
    /// # Errors
    /// Those of the client, each with a failed span.
    pub async fn ack(&self, options: BasicAckOptions) -> Result<bool> {
        self.settle(semconv::ACK, options.multiple, self.bare.ack(options)).await
    }

    /// [`lapin::Acker::nack`] in its span; see [`ack`](Self::ack).
    ///
    /// # Errors
    /// Those of the client, each with a failed span.
    pub async fn nack(&self, options: BasicNackOptions) -> Result<bool> {
        self.settle(semconv::NACK, options.multiple, self.bare.nack(options)).await
    }

    /// [`lapin::Acker::reject`] in its span.
    ///
    /// # Errors
    /// Those of the client, each with a failed span.
    pub async fn reject(&self, options: BasicRejectOptions) -> Result<bool> {
        self.settle(semconv::REJECT, false, self.bare.reject(options)).await
    }

    async fn settle(
        &self,
        operation: Operation,
        multiple: bool,
        call: impl Future<Output = Result<bool>>,
    ) -> Result<bool> {
        let is_told = self.bare.usable() || self.bare.poisoned();
        let Some((settled, unsettled)) = self.known.as_ref().filter(|_| is_told) else {
            return call.await;
        };
        let mut operation = settled.settle(operation);
        let tag = settled.get_ref().delivery_tag;
        if multiple {
            set(&mut operation, core::BATCH_MESSAGE_COUNT, unsettled.take_up_to(tag).1);
        } else {
            unsettled.take(tag);
        }
        let result = call.await;
        match &result {
            Ok(false) if self.bare.poisoned() => {
                operation.fail(Failure::new(ErrorType::new("poisoned")));
            }
            Ok(_) => operation.end(),
            Err(error) => operation.fail(failure::of(error)),
        }
        result
    }
}

/// Settles by tag, as the message that it stands for if that is known.
pub(crate) async fn by_tag(
    endpoint: &Endpoint,
    unsettled: &Unsettled,
    operation: Operation,
    (tag, multiple): (u64, bool),
    call: impl Future<Output = Result<()>>,
) -> Result<()> {
    if !endpoint.is_enabled() {
        return call.await;
    }
    let (settled, settles) =
        if multiple { unsettled.take_up_to(tag) } else { (unsettled.take(tag), None) };
    let mut operation = if let Some(settled) = settled {
        settled.settle(operation)
    } else {
        let mut operation = endpoint.settle(operation, None);
        set(&mut operation, semconv::DELIVERY_TAG, Some(tag));
        operation
    };
    set(&mut operation, core::BATCH_MESSAGE_COUNT, settles);
    let result = call.await;
    match &result {
        Ok(()) => operation.end(),
        Err(error) => operation.fail(failure::of(error)),
    }
    result
}

fn set(operation: &mut ActiveOperation, key: &'static str, value: Option<u64>) {
    if let Some(value) = value.and_then(|value| i64::try_from(value).ok()) {
        operation.set_attribute(KeyValue::new(key, value));
    }
}

/// What a settlement says of the message, which may be gone by then.
#[derive(Debug)]
pub(crate) struct Settled {
    name: Name,
    delivery_tag: u64,
    message_id: Option<ShortString>,
    correlation_id: Option<ShortString>,
}

impl Settled {
    pub(crate) fn of(delivered: &Delivered) -> Self {
        let properties = &delivered.delivery.properties;
        Self {
            name: delivered.name.clone(),
            delivery_tag: delivered.delivery.delivery_tag,
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

    fn attributes<'a>(
        &'a self,
        _: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        if let Ok(tag) = i64::try_from(self.delivery_tag) {
            visit(semconv::DELIVERY_TAG, tag.into());
        }
        ids(self.message_id.as_ref(), self.correlation_id.as_ref(), visit);
    }
}

impl PartialEq for Acker {
    fn eq(&self, other: &Self) -> bool {
        self.bare == other.bare
    }
}
