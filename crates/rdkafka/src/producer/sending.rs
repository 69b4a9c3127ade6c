//! The future of a send.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use futures_channel::oneshot::Canceled;
use otel_messaging_core::{ActiveOperation, CreationContext};
use rdkafka::{
    ClientContext, Timestamp,
    error::{KafkaError, RDKafkaErrorCode},
    message::{self, ToBytes},
    producer::FutureRecord,
    util::{AsyncRuntime, Timeout},
};

use super::{
    delivery::{DeliveryFuture, OwnedDeliveryResult},
    future::FutureProducer,
};
use crate::{error_type::failure, message::OwnedMessage, outgoing::Outgoing};

/// How long the client waits before it tries a full queue again, which this does in its place.
const QUEUE_FULL_DELAY: Duration = Duration::from_millis(100);

/// Sends a record and waits for its delivery. Nothing happens before the first poll.
///
/// It is a named type, as async functions would hold the record several times.
pub(super) struct Sending<'a, 'c, 'r, K, P, C, R>
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
    C: ClientContext + 'static,
    R: AsyncRuntime,
{
    producer: &'a FutureProducer<C, R>,
    /// How long a full queue is tried again.
    timeout: Timeout,
    /// When the queue was found full first.
    full_since: Option<Instant>,
    state: State<'c, 'r, K, P, R>,
}

enum State<'c, 'r, K, P, R>
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
    R: AsyncRuntime,
{
    Unsent(FutureRecord<'r, K, P>, Option<&'c CreationContext>),
    /// In a box, as the queue is rarely full and all futures are as large as the largest state.
    Full(Box<Full<'r, K, P, R>>),
    Delivering(DeliveryFuture),
    Done,
}

/// A record for which there is no room in the queue.
struct Full<'r, K, P, R>
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
    R: AsyncRuntime,
{
    outgoing: Outgoing<FutureRecord<'r, K, P>>,
    operation: ActiveOperation,
    delay: Pin<Box<R::Delay>>,
}

type Taken = Result<DeliveryFuture, (KafkaError, OwnedMessage)>;

impl<'a, 'c, 'r, K, P, C, R> Sending<'a, 'c, 'r, K, P, C, R>
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
    C: ClientContext + 'static,
    R: AsyncRuntime,
{
    /// Sends a record with `creation`, or with the context of its send span.
    pub(super) const fn new(
        producer: &'a FutureProducer<C, R>,
        record: FutureRecord<'r, K, P>,
        creation: Option<&'c CreationContext>,
        timeout: Timeout,
    ) -> Self {
        Self { producer, timeout, full_since: None, state: State::Unsent(record, creation) }
    }

    /// Sends what is handed over one by one, with one timeout for all.
    pub(super) const fn one_by_one(producer: &'a FutureProducer<C, R>, timeout: Timeout) -> Self {
        Self { producer, timeout, full_since: None, state: State::Done }
    }

    /// Polls until the client has taken or refused the record.
    pub(super) fn poll_taken(&mut self, context: &mut Context<'_>) -> Poll<Taken> {
        match mem::replace(&mut self.state, State::Done) {
            State::Unsent(record, creation) => {
                let mut outgoing = Outgoing::new(record, self.producer.size_limit);
                let operation = self.producer.start(&mut outgoing, creation);
                self.poll_hand_over(context, outgoing, operation)
            }
            State::Full(mut full) => {
                if full.delay.as_mut().poll(context).is_pending() {
                    self.state = State::Full(full);
                    return Poll::Pending;
                }
                self.poll_hand_over(context, full.outgoing, full.operation)
            }
            State::Delivering(report) => Poll::Ready(Ok(report)),
            State::Done => Poll::Pending,
        }
    }

    /// Gives a record to the client, now or when there is room in the queue.
    pub(super) fn poll_hand_over(
        &mut self,
        context: &mut Context<'_>,
        mut outgoing: Outgoing<FutureRecord<'r, K, P>>,
        operation: ActiveOperation,
    ) -> Poll<Taken> {
        let instrumenter = &self.producer.instrumenter;
        loop {
            let error;
            match self.producer.hand_over(outgoing) {
                Ok(report) => {
                    let report = DeliveryFuture::new(report, operation, instrumenter);
                    return Poll::Ready(Ok(report));
                }
                Err(refused) => (error, outgoing) = refused,
            }
            if !self.waits_after(&error) {
                if instrumenter.is_enabled() {
                    operation.reject(failure(&error));
                }
                let message = OwnedMessage::from_bare(to_message(outgoing.record), instrumenter);
                return Poll::Ready(Err((error, message)));
            }
            let mut delay = Box::pin(R::delay_for(QUEUE_FULL_DELAY));
            if delay.as_mut().poll(context).is_pending() {
                self.state = State::Full(Full { outgoing, operation, delay }.into());
                return Poll::Pending;
            }
        }
    }

    /// Returns whether to try again after this error.
    fn waits_after(&mut self, error: &KafkaError) -> bool {
        let is_full = *error == KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
        is_full
            && match self.timeout {
                Timeout::Never => true,
                Timeout::After(timeout) => {
                    self.full_since.get_or_insert_with(Instant::now).elapsed() < timeout
                }
            }
    }
}

impl<K, P, C, R> Future for Sending<'_, '_, '_, K, P, C, R>
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
    C: ClientContext + 'static,
    R: AsyncRuntime,
{
    type Output = OwnedDeliveryResult;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut report = match ready!(self.poll_taken(context)) {
            Ok(report) => report,
            Err(refused) => return Poll::Ready(Err(refused)),
        };
        let polled = Pin::new(&mut report).poll(context);
        if polled.is_pending() {
            self.state = State::Delivering(report);
        }
        polled.map(delivered)
    }
}

/// Returns the result of a delivery. The client panics where a producer is gone without a report.
pub(super) fn delivered(outcome: Result<OwnedDeliveryResult, Canceled>) -> OwnedDeliveryResult {
    outcome.unwrap_or_else(|Canceled| {
        let none = Timestamp::NotAvailable;
        let lost = OwnedMessage::new(None, None, String::new(), none, -1, 0, None);
        Err((KafkaError::Canceled, lost))
    })
}

/// Copies a refused record into a message, as the client does.
fn to_message<K, P>(record: FutureRecord<'_, K, P>) -> message::OwnedMessage
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
{
    let FutureRecord { topic, partition, payload, key, timestamp, headers } = record;
    message::OwnedMessage::new(
        payload.map(|payload| payload.to_bytes().to_vec()),
        key.map(|key| key.to_bytes().to_vec()),
        topic.to_owned(),
        timestamp.map_or(Timestamp::NotAvailable, Timestamp::CreateTime),
        partition.unwrap_or(-1),
        0,
        headers,
    )
}
