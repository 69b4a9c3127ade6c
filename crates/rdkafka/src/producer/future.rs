//! The asynchronous producer.

use std::future::poll_fn;

use otel_messaging_core::{CreationContext, Instrumentation, Instrumenter};
use rdkafka::{
    ClientConfig, ClientContext,
    client::DefaultClientContext,
    config::{FromClientConfig, FromClientConfigAndContext},
    error::{KafkaError, KafkaResult},
    message::ToBytes,
    producer::{self as bare, FutureRecord, NoCustomPartitioner, Producer},
    util::{AsyncRuntime, DefaultRuntime, Timeout},
};

use super::{
    delivery::{DeliveryFuture, OwnedDeliveryResult},
    sending::{Sending, delivered},
};
use crate::{Instrumented, KafkaClient, error_type::failure, native, outgoing::Outgoing, server};

/// [`rdkafka::producer::FutureProducer`], instrumented; see [`Instrumented`].
pub type FutureProducer<C = DefaultClientContext, R = DefaultRuntime, Part = NoCustomPartitioner> =
    Instrumented<bare::FutureProducer<C, R, Part>>;

impl<C, R> KafkaClient for bare::FutureProducer<C, R>
where
    C: ClientContext + 'static,
    R: AsyncRuntime,
{
    type Context = C;

    fn create_bare(config: &ClientConfig, context: C, _: &Instrumentation) -> KafkaResult<Self> {
        Self::from_config_and_context(config, context)
    }

    fn instrumenter(&self, instrumentation: &Instrumentation) -> Instrumenter {
        server::producer(self.client(), instrumentation)
    }

    fn size_limit(&self) -> usize {
        native::max_message_size(self.client())
    }
}

impl<R: AsyncRuntime> FromClientConfig for FutureProducer<DefaultClientContext, R> {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultClientContext)
    }
}

impl<C, R> FutureProducer<C, R>
where
    C: ClientContext + 'static,
    R: AsyncRuntime,
{
    /// Sends a record and waits for its delivery. While the queue is full, it waits up to
    /// `queue_timeout` for room.
    ///
    /// Nothing happens before the first poll.
    ///
    /// Cancel safety: once the client has taken the record, it is delivered and the span ends with
    /// the delivery report, also when the future is dropped. Dropped before that, the record is not
    /// sent and the span ends as `cancelled`.
    ///
    /// # Errors
    /// Returns the client's error and the message.
    pub fn send<K, P, T>(
        &self,
        record: FutureRecord<'_, K, P>,
        queue_timeout: T,
    ) -> impl Future<Output = OwnedDeliveryResult>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
        T: Into<Timeout>,
    {
        Sending::new(self, record, None, queue_timeout.into())
    }

    /// Sends a record as [`send`](Self::send) does. The record carries `creation`, which the send
    /// span links to, instead of the send span's own context.
    ///
    /// Cancel safety: as [`send`](Self::send).
    ///
    /// # Errors
    /// Returns the client's error and the message.
    pub fn send_with_context<K, P, T>(
        &self,
        record: FutureRecord<'_, K, P>,
        creation: &CreationContext,
        queue_timeout: T,
    ) -> impl Future<Output = OwnedDeliveryResult>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
        T: Into<Timeout>,
    {
        Sending::new(self, record, Some(creation), queue_timeout.into())
    }

    /// Hands a record to the client, without waiting for room in its queue.
    ///
    /// # Errors
    /// Returns the client's error and the record. It may be sent again: its context is replaced
    /// then.
    pub fn send_result<'a, K, P>(
        &self,
        record: FutureRecord<'a, K, P>,
    ) -> Result<DeliveryFuture, (KafkaError, FutureRecord<'a, K, P>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        let mut outgoing = Outgoing::new(record, self.size_limit);
        let operation = self.start(&mut outgoing, None);
        match self.hand_over(outgoing) {
            Ok(report) => Ok(DeliveryFuture::new(report, operation, &self.instrumenter)),
            Err((error, refused)) => {
                if self.instrumenter.is_enabled() {
                    operation.reject(failure(&error));
                }
                Err((error, refused.record))
            }
        }
    }

    /// Sends records as one batch: a create span for each, and one send span that links to all of
    /// them and ends with the last delivery report.
    ///
    /// The results are in the order of the records.
    ///
    /// Cancel safety: records that the client has taken are delivered. The others are not sent, and
    /// the span says so.
    ///
    /// # Errors
    /// Returns the client's error and the message for each record that fails.
    pub async fn send_batch<'a, K, P, T>(
        &self,
        records: impl IntoIterator<Item = FutureRecord<'a, K, P>>,
        queue_timeout: T,
    ) -> Vec<OwnedDeliveryResult>
    where
        K: ToBytes + ?Sized + 'a,
        P: ToBytes + ?Sized + 'a,
        T: Into<Timeout>,
    {
        let mut sending = Sending::one_by_one(self, queue_timeout.into());
        let mut reports = Vec::new();
        for started in self.start_batch(records) {
            let mut started = Some(started);
            let taken = poll_fn(|context| match started.take() {
                Some((outgoing, operation)) => sending.poll_hand_over(context, outgoing, operation),
                None => sending.poll_taken(context),
            });
            reports.push(taken.await);
        }
        let mut results = Vec::with_capacity(reports.len());
        for report in reports {
            results.push(match report {
                Ok(report) => delivered(report.await),
                Err(refused) => Err(refused),
            });
        }
        results
    }

    /// Serves delivery reports and other events, beside the producer's own thread.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) {
        self.client.poll(timeout);
    }

    pub(super) fn hand_over<'a, K, P>(
        &self,
        outgoing: Outgoing<FutureRecord<'a, K, P>>,
    ) -> Result<bare::DeliveryFuture, (KafkaError, Outgoing<FutureRecord<'a, K, P>>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        outgoing.hand_over(&self.instrumenter, |record| self.client.send_result(record))
    }
}
