//! Settling: deliveries are acknowledged or refused, by their acker or by their tag.

use std::sync::Arc;

use lapin::{
    Result,
    message::Delivery,
    options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions},
    types::DeliveryTag,
};
use otel_messaging_core::{
    ActiveOperation, Destination, ErrorType, Failure, Instrumenter, Operation, Received,
    client::{Call, Message, wrapper},
    semconv as core,
};

use crate::{
    Channel,
    destination::Name,
    error_type,
    hand_over::HandOver,
    origin::Origin,
    semconv,
    settled::{Settled, Unsettled},
};

/// Defines the methods that settle a delivery, for a type that has the client's acker behind
/// `get_ref` and a method `settle`.
macro_rules! settle_methods {
    () => {
        /// Acknowledges the delivery as [`lapin::Acker::ack`] does, in a settle span.
        ///
        /// If `multiple`, the span says how many deliveries are acknowledged, provided that all
        /// deliveries of the channel up to this one came through this crate.
        ///
        /// Cancel safety: once polled, the client settles the delivery even if this is dropped;
        /// then the span ends as handed over. Errors are the client's own; the span is marked as
        /// failed.
        pub fn ack(
            &self,
            options: lapin::options::BasicAckOptions,
        ) -> impl Future<Output = lapin::Result<bool>> {
            let call = self.get_ref().ack(options);
            self.settle($crate::semconv::ACK, options.multiple, call)
        }

        /// Refuses the delivery as [`lapin::Acker::nack`] does, in a settle span.
        ///
        /// Several deliveries, cancel safety and errors: as for [`ack`](Self::ack).
        pub fn nack(
            &self,
            options: lapin::options::BasicNackOptions,
        ) -> impl Future<Output = lapin::Result<bool>> {
            let call = self.get_ref().nack(options);
            self.settle($crate::semconv::NACK, options.multiple, call)
        }

        /// Refuses the delivery as [`lapin::Acker::reject`] does, in a settle span.
        ///
        /// Cancel safety and errors: as for [`ack`](Self::ack).
        pub fn reject(
            &self,
            options: lapin::options::BasicRejectOptions,
        ) -> impl Future<Output = lapin::Result<bool>> {
            let call = self.get_ref().reject(options);
            self.settle($crate::semconv::REJECT, false, call)
        }
    };
}
pub(crate) use settle_methods;

/// Instrumented [`lapin::Acker`]: each call is a settle span, which links to the message and is a
/// child of the ambient span, else of the span that processed the message first.
///
/// There is no span where the client does nothing, because the delivery is settled already. An
/// acker that is poisoned (the channel is gone, and the broker will deliver again) answers
/// `Ok(false)`, as the client's does; the span's `error.type` is `poisoned`, and it links to the
/// message only where [`Delivery`](crate::message::Delivery) itself is settled.
#[derive(Clone)]
pub struct Acker {
    bare: lapin::Acker,
    instrumenter: Instrumenter,
    name: Name,
    tag: DeliveryTag,
    /// `None` if settling made no spans when the delivery came.
    unsettled: Option<Arc<Unsettled>>,
}

wrapper!(Acker: lapin::Acker);

impl Acker {
    /// Makes the acker of a delivery, and remembers the delivery until it is settled.
    #[inline]
    pub(crate) fn new(origin: &Origin, delivery: &Delivery, context: &Received<Name>) -> Self {
        let (instrumenter, name) = (origin.instrumenter.clone(), context.get_ref().clone());
        let (bare, tag) = (delivery.acker.clone(), delivery.delivery_tag);
        let unsettled = instrumenter.wants_settle_spans().then(|| {
            let unsettled = origin.unsettled.clone().unwrap_or_default();
            let settled = || context.map_ref(|name| Settled::of(delivery, name));
            unsettled.add(tag, (!origin.no_ack).then(settled));
            unsettled
        });
        Self { bare, instrumenter, name, tag, unsettled }
    }

    settle_methods!();

    fn settle(
        &self,
        operation: Operation,
        multiple: bool,
        call: impl Future<Output = Result<bool>>,
    ) -> impl Future<Output = Result<bool>> {
        self.settle_message(None::<&Received<Settled>>, operation, multiple, call)
    }

    /// Settles the delivery, whose message may be at hand.
    pub(crate) fn settle_message<M: Message>(
        &self,
        message: Option<&Received<M>>,
        operation: Operation,
        multiple: bool,
        call: impl Future<Output = Result<bool>>,
    ) -> impl Future<Output = Result<bool>> {
        let end = |(settling, result)| self.settled(settling, result);
        if !self.instrumenter.is_enabled() {
            return Call::without_operation(HandOver::new(call, None), end);
        }
        Call::new(move || (HandOver::new(call, self.start(message, operation, multiple)), end))
    }

    /// Starts to settle the delivery, unless the client does nothing.
    fn start<M: Message>(
        &self,
        message: Option<&Received<M>>,
        operation: Operation,
        multiple: bool,
    ) -> Option<ActiveOperation> {
        let is_poisoned = self.bare.poisoned();
        if !is_poisoned && !self.bare.usable() {
            return None;
        }
        // Once the channel is gone, the tag may be another delivery's.
        let unsettled = self.unsettled.as_ref().filter(|_| !is_poisoned);
        let settled = unsettled.map(|unsettled| unsettled.settle(self.tag, multiple));
        let (kept, count) = settled.unwrap_or_default();
        let settling = match (message, kept) {
            (Some(message), _) => message.settle(operation),
            (None, Some(kept)) => kept.settle(operation),
            (None, None) => {
                let destination = Some(self.name.destination());
                settle_unknown(&self.instrumenter, operation, destination, self.tag)
            }
        };
        Some(counting(settling, count))
    }

    fn settled(&self, settling: Option<ActiveOperation>, result: Result<bool>) -> Result<bool> {
        end(settling, result, |result| match result {
            Ok(false) if self.bare.poisoned() => Some(Failure::new(ErrorType::new("poisoned"))),
            Ok(_) => None,
            Err(error) => Some(error_type::of(error)),
        })
    }
}

impl Channel {
    /// Acknowledges a delivery by its tag, as [`lapin::Channel::basic_ack`] does, in a settle span.
    /// The span is that of the message, as for [`Acker::ack`], if the delivery came through this
    /// channel.
    ///
    /// Cancel safety: once polled, the client settles the delivery even if this is dropped; then the
    /// span ends as handed over. Errors are the client's own; the span is marked as failed.
    pub fn basic_ack(
        &self,
        tag: DeliveryTag,
        options: BasicAckOptions,
    ) -> impl Future<Output = Result<()>> {
        let call = self.get_ref().basic_ack(tag, options);
        self.settle(semconv::ACK, tag, options.multiple, call)
    }

    /// Refuses a delivery by its tag, as [`lapin::Channel::basic_nack`] does, in a settle span.
    ///
    /// Cancel safety and errors: as for [`basic_ack`](Self::basic_ack).
    pub fn basic_nack(
        &self,
        tag: DeliveryTag,
        options: BasicNackOptions,
    ) -> impl Future<Output = Result<()>> {
        let call = self.get_ref().basic_nack(tag, options);
        self.settle(semconv::NACK, tag, options.multiple, call)
    }

    /// Refuses a delivery by its tag, as [`lapin::Channel::basic_reject`] does, in a settle span.
    ///
    /// Cancel safety and errors: as for [`basic_ack`](Self::basic_ack).
    pub fn basic_reject(
        &self,
        tag: DeliveryTag,
        options: BasicRejectOptions,
    ) -> impl Future<Output = Result<()>> {
        let call = self.get_ref().basic_reject(tag, options);
        self.settle(semconv::REJECT, tag, false, call)
    }

    fn settle(
        &self,
        operation: Operation,
        tag: DeliveryTag,
        multiple: bool,
        call: impl Future<Output = Result<()>>,
    ) -> impl Future<Output = Result<()>> {
        let (instrumenter, unsettled) = (self.instrumenter(), self.unsettled());
        settle_by_tag(instrumenter, unsettled, operation, tag, multiple, call)
    }
}

fn settle_by_tag(
    instrumenter: &Instrumenter,
    unsettled: &Unsettled,
    operation: Operation,
    tag: DeliveryTag,
    multiple: bool,
    call: impl Future<Output = Result<()>>,
) -> impl Future<Output = Result<()>> {
    let end = |(settling, result): (Option<ActiveOperation>, Result<()>)| {
        end(settling, result, |result| result.as_ref().err().map(error_type::of))
    };
    if !instrumenter.is_enabled() {
        return Call::without_operation(HandOver::new(call, None), end);
    }
    Call::new(move || {
        let settling = start_by_tag(instrumenter, unsettled, operation, tag, multiple);
        (HandOver::new(call, Some(settling)), end)
    })
}

fn start_by_tag(
    instrumenter: &Instrumenter,
    unsettled: &Unsettled,
    operation: Operation,
    tag: DeliveryTag,
    multiple: bool,
) -> ActiveOperation {
    let settled = instrumenter.wants_settle_spans().then(|| unsettled.settle(tag, multiple));
    let (kept, count) = settled.unwrap_or_default();
    let settling = match kept {
        Some(kept) => kept.settle(operation),
        None => settle_unknown(instrumenter, operation, None, tag),
    };
    counting(settling, count)
}

/// Starts to settle a message that nothing else is known of.
fn settle_unknown(
    instrumenter: &Instrumenter,
    operation: Operation,
    destination: Option<Destination<'_>>,
    tag: DeliveryTag,
) -> ActiveOperation {
    let mut operation = instrumenter.settle(operation, destination);
    operation.set_attribute(semconv::DELIVERY_TAG, tag);
    operation
}

/// Adds how many messages are settled, if that is known.
fn counting(mut settling: ActiveOperation, count: Option<u64>) -> ActiveOperation {
    if let Some(count) = count {
        settling.set_attribute(core::BATCH_MESSAGE_COUNT, count);
    }
    settling
}

/// Ends a settlement with the client's result.
fn end<T>(
    settling: Option<ActiveOperation>,
    result: Result<T>,
    classify: impl FnOnce(&Result<T>) -> Option<Failure>,
) -> Result<T> {
    if let Some(settling) = settling {
        match classify(&result) {
            Some(failure) => settling.fail(failure),
            None => settling.end(),
        }
    }
    result
}

impl PartialEq for Acker {
    fn eq(&self, other: &Self) -> bool {
        self.bare == other.bare
    }
}

#[cfg(test)]
mod tests;
