//! The asynchronous producer.

use std::time::{Duration, Instant};

use futures_channel::oneshot::Canceled;
use otel_messaging_core::{ActiveOperation, CreationContext, Instrumentation, Instrumenter};
use rdkafka::{
    ClientConfig, ClientContext, Timestamp,
    client::DefaultClientContext,
    config::{FromClientConfig, FromClientConfigAndContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{self, ToBytes},
    producer::{self as bare, FutureRecord, NoCustomPartitioner, Producer},
    util::{AsyncRuntime, DefaultRuntime, Timeout},
};

use super::delivery::{DeliveryFuture, OwnedDeliveryResult};
use crate::{
    Instrumented, KafkaClient, error_type::failure, message::OwnedMessage, native,
    outgoing::Outgoing, server,
};

/// [`rdkafka::producer::FutureProducer`], instrumented; see [`Instrumented`].
pub type FutureProducer<C = DefaultClientContext, R = DefaultRuntime, Part = NoCustomPartitioner> =
    Instrumented<bare::FutureProducer<C, R, Part>>;

/// How long the client waits before it tries a full queue again, which
/// [`FutureProducer::send`] does in its place.
const QUEUE_FULL_DELAY: Duration = Duration::from_millis(100);

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
    pub async fn send<K, P, T>(
        &self,
        record: FutureRecord<'_, K, P>,
        queue_timeout: T,
    ) -> OwnedDeliveryResult
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
        T: Into<Timeout>,
    {
        let mut timeout = QueueTimeout::new(queue_timeout.into());
        let mut outgoing = Outgoing::new(record, self.size_limit);
        let operation = self.start(&mut outgoing, None);
        delivered(self.hand_over_in_time(outgoing, operation, &mut timeout).await?).await
    }

    /// Sends a record as [`send`](Self::send) does. The record carries `creation`, which the send
    /// span links to, instead of the send span's own context.
    ///
    /// Cancel safety: as [`send`](Self::send).
    ///
    /// # Errors
    /// Returns the client's error and the message.
    pub async fn send_with_context<K, P, T>(
        &self,
        record: FutureRecord<'_, K, P>,
        creation: &CreationContext,
        queue_timeout: T,
    ) -> OwnedDeliveryResult
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
        T: Into<Timeout>,
    {
        let mut timeout = QueueTimeout::new(queue_timeout.into());
        let mut outgoing = Outgoing::new(record, self.size_limit);
        let operation = self.start(&mut outgoing, Some(creation));
        delivered(self.hand_over_in_time(outgoing, operation, &mut timeout).await?).await
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
                self.reject(operation, &error);
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
        let mut timeout = QueueTimeout::new(queue_timeout.into());
        let mut reports = Vec::new();
        for (outgoing, operation) in self.start_batch(records) {
            reports.push(self.hand_over_in_time(outgoing, operation, &mut timeout).await);
        }
        let mut results = Vec::with_capacity(reports.len());
        for report in reports {
            results.push(match report {
                Ok(report) => delivered(report).await,
                Err(refused) => Err(refused),
            });
        }
        results
    }

    /// Serves delivery reports and other events, beside the producer's own thread.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) {
        self.client.poll(timeout);
    }

    /// Hands a record to the client, as soon as there is room in its queue.
    async fn hand_over_in_time<K, P>(
        &self,
        mut outgoing: Outgoing<FutureRecord<'_, K, P>>,
        operation: ActiveOperation,
        timeout: &mut QueueTimeout,
    ) -> Result<DeliveryFuture, (KafkaError, OwnedMessage)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        loop {
            match self.hand_over(outgoing) {
                Ok(report) => {
                    return Ok(DeliveryFuture::new(report, operation, &self.instrumenter));
                }
                Err((error, refused)) if timeout.waits_after(&error) => {
                    outgoing = refused;
                    R::delay_for(QUEUE_FULL_DELAY).await;
                }
                Err((error, refused)) => {
                    self.reject(operation, &error);
                    let message = to_message(refused.record);
                    return Err((error, OwnedMessage::from_bare(message, &self.instrumenter)));
                }
            }
        }
    }

    fn hand_over<'a, K, P>(
        &self,
        outgoing: Outgoing<FutureRecord<'a, K, P>>,
    ) -> Result<bare::DeliveryFuture, (KafkaError, Outgoing<FutureRecord<'a, K, P>>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        outgoing.hand_over(&self.instrumenter, |record| self.client.send_result(record))
    }

    /// Ends the operation of a record that the client refused.
    fn reject(&self, operation: ActiveOperation, error: &KafkaError) {
        if self.instrumenter.is_enabled() {
            operation.reject(failure(error));
        }
    }
}

/// Waits for the delivery report. The client panics where a producer is gone without one; this
/// returns an error.
async fn delivered(report: DeliveryFuture) -> OwnedDeliveryResult {
    report.await.unwrap_or_else(|Canceled| {
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

/// How long a full queue is tried again.
struct QueueTimeout {
    timeout: Timeout,
    /// When the queue was found full first.
    full_since: Option<Instant>,
}

impl QueueTimeout {
    const fn new(timeout: Timeout) -> Self {
        Self { timeout, full_since: None }
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
