//! The asynchronous producer.

use std::time::{Duration, Instant};

use futures_channel::oneshot::Canceled;
use otel_messaging_core::{CreationContext, Instrumentation};
use rdkafka::{
    ClientConfig, ClientContext, Timestamp,
    client::DefaultClientContext,
    config::{FromClientConfig, FromClientConfigAndContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::ToBytes,
    producer::{
        self as bare, FutureRecord, NoCustomPartitioner, Producer,
        future_producer::FutureProducerContext,
    },
    util::{AsyncRuntime, DefaultRuntime, Timeout},
};

use super::{
    base::Sender,
    delegate::delegate_producer,
    delivery::{DeliveryFuture, DeliveryOutcome, OwnedDeliveryResult},
    report::{Member, Pending},
};
use crate::{
    facts,
    message::OwnedMessage,
    record::{self, Record, Spare},
    semconv,
};

/// How long the client waits before it tries a full queue again; [`FutureProducer::send`] does it
/// in its place.
const QUEUE_FULL_DELAY: Duration = Duration::from_millis(100);

/// [`rdkafka::producer::FutureProducer`], instrumented.
///
/// It is made as the client's own: `config.create()` or `config.create_with_context(context)` use
/// the default instrumentation, [`create`](Self::create) another. An existing producer is wrapped
/// with `From` or [`new`](Self::new).
#[must_use = "the producer stops when it is dropped"]
pub struct FutureProducer<C = DefaultClientContext, R = DefaultRuntime>
where
    C: ClientContext + 'static,
{
    producer: bare::FutureProducer<C, R>,
    sender: Sender,
}

impl<C, R> FutureProducer<C, R>
where
    C: ClientContext + 'static,
    R: AsyncRuntime,
{
    /// Wraps a producer that works as `instrumentation` says.
    pub fn new(producer: bare::FutureProducer<C, R>, instrumentation: &Instrumentation) -> Self {
        let client = Producer::<_, NoCustomPartitioner>::client(&producer);
        let sender = Sender::new(client, instrumentation);
        Self { producer, sender }
    }

    /// A producer that works as `instrumentation` says.
    ///
    /// # Errors
    /// Those of the client's own constructor.
    pub fn create(
        config: &ClientConfig,
        context: C,
        instrumentation: &Instrumentation,
    ) -> KafkaResult<Self> {
        let producer = bare::FutureProducer::from_config_and_context(config, context)?;
        Ok(Self::new(producer, instrumentation))
    }

    /// Sends a record and waits for its delivery; while the queue is full, it waits up to
    /// `queue_timeout` for room.
    ///
    /// Nothing happens before the first poll. Cancel safety: once the client has taken the
    /// record, it is delivered, and the span ends with the delivery report, also when the future
    /// is dropped; before that, the record is not sent, and the span ends as `cancelled`.
    ///
    /// # Errors
    /// Those of the client, with the message.
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
        self.send_as(record, None, queue_timeout.into()).await
    }

    /// [`send`](Self::send) for a record that was created in `creation`, which it carries away
    /// instead of the send span's context; the send span links to it (rule R9).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_created<K, P, T>(
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
        self.send_as(record, Some(creation), queue_timeout.into()).await
    }

    async fn send_as<K, P>(
        &self,
        record: FutureRecord<'_, K, P>,
        creation: Option<&CreationContext>,
        queue_timeout: Timeout,
    ) -> OwnedDeliveryResult
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        let patience = Patience::new(queue_timeout);
        let mut outgoing = self.start(record, creation);
        loop {
            match self.hand_over(outgoing) {
                Ok(delivery) => return outcome(delivery.await),
                Err((error, refused)) if patience.has_room_for(&error) => {
                    outgoing = refused;
                    R::delay_for(QUEUE_FULL_DELAY).await;
                }
                Err((error, refused)) => return Err(self.give_back(error, refused)),
            }
        }
    }

    /// Hands a record to the client, without waiting for room in its queue.
    ///
    /// # Errors
    /// Those of the client, with the record. It may be sent again: its context is replaced then.
    pub fn send_result<'a, K, P>(
        &self,
        record: FutureRecord<'a, K, P>,
    ) -> Result<DeliveryFuture, (KafkaError, FutureRecord<'a, K, P>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        self.hand_over(self.start(record, None)).map_err(|(error, refused)| {
            refused.pending.rejected(&error);
            (error, refused.record)
        })
    }

    /// Sends records as one batch: a create span for each, and one send span that links to all of
    /// them and ends with the last delivery report (rule R7).
    ///
    /// The results are in the order of the records. Cancel safety: what the client has taken is
    /// delivered; the rest is not sent.
    ///
    /// # Errors
    /// For each record as [`send`](Self::send).
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
        let patience = Patience::new(queue_timeout.into());
        let mut handed_over = Vec::new();
        for mut outgoing in self.start_batch(records.into_iter().collect()) {
            handed_over.push(loop {
                match self.hand_over(outgoing) {
                    Ok(delivery) => break Ok(delivery),
                    Err((error, refused)) if patience.has_room_for(&error) => {
                        outgoing = refused;
                        R::delay_for(QUEUE_FULL_DELAY).await;
                    }
                    Err((error, refused)) => break Err(self.give_back(error, refused)),
                }
            });
        }
        let mut results = Vec::with_capacity(handed_over.len());
        for delivery in handed_over {
            results.push(match delivery {
                Ok(delivery) => outcome(delivery.await),
                Err(refused) => Err(refused),
            });
        }
        results
    }

    fn start<'a, K, P>(
        &self,
        mut record: FutureRecord<'a, K, P>,
        creation: Option<&CreationContext>,
    ) -> Outgoing<'a, K, P>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        let Sender { endpoint, limit } = self.sender();
        let mut outgoing = Record::of_future(&mut record);
        let spare = Spare::of(&outgoing, *limit);
        let operation = match creation {
            Some(creation) => endpoint.send_created(semconv::SEND, &mut outgoing, creation),
            None => endpoint.send(semconv::SEND, &mut outgoing),
        };
        Outgoing { record, spare, pending: Pending::One(operation) }
    }

    fn start_batch<'a, K, P>(
        &self,
        mut records: Vec<FutureRecord<'a, K, P>>,
    ) -> impl Iterator<Item = Outgoing<'a, K, P>> + use<'a, C, R, K, P>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        let Sender { endpoint, limit } = self.sender();
        let mut outgoing: Vec<_> = records.iter_mut().map(Record::of_future).collect();
        let spares: Vec<_> = outgoing.iter().map(|record| Spare::of(record, *limit)).collect();
        let operation = endpoint.send_batch(semconv::SEND, &mut outgoing);
        let members = Member::all(operation, records.len());
        records.into_iter().zip(spares).zip(members).map(|((record, spare), member)| Outgoing {
            record,
            spare,
            pending: Pending::Member(member),
        })
    }

    /// With what the client has learned meanwhile.
    fn sender(&self) -> &Sender {
        let client = Producer::<_, NoCustomPartitioner>::client(&self.producer);
        facts::learn_cluster(&self.sender.endpoint, client);
        &self.sender
    }

    fn hand_over<'a, K, P>(
        &self,
        outgoing: Outgoing<'a, K, P>,
    ) -> Result<DeliveryFuture, (KafkaError, Outgoing<'a, K, P>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        let Outgoing { mut record, mut spare, pending } = outgoing;
        loop {
            let (error, mut refused) = match self.producer.send_result(record) {
                Ok(report) => {
                    return Ok(DeliveryFuture::new(report, pending, &self.sender.endpoint));
                }
                Err(refused) => refused,
            };
            if !spare.restore(&error, &mut refused.headers) {
                return Err((error, Outgoing { record: refused, spare, pending }));
            }
            self.sender.endpoint.report_not_injected(record::TOO_LARGE);
            record = refused;
        }
    }

    fn give_back<K, P>(
        &self,
        error: KafkaError,
        refused: Outgoing<'_, K, P>,
    ) -> (KafkaError, OwnedMessage)
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        let FutureRecord { topic, partition, payload, key, timestamp, headers } = refused.record;
        refused.pending.rejected(&error);
        let message = rdkafka::message::OwnedMessage::new(
            payload.map(|payload| payload.to_bytes().to_vec()),
            key.map(|key| key.to_bytes().to_vec()),
            topic.to_owned(),
            timestamp.map_or(Timestamp::NotAvailable, Timestamp::CreateTime),
            partition.unwrap_or(-1),
            0,
            headers,
        );
        (error, OwnedMessage::held(&self.sender.endpoint, message))
    }

    /// Serves delivery reports and other events, beside the producer's own thread.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) {
        self.producer.poll(timeout);
    }

    /// The client's own producer. What is sent through it is not instrumented.
    pub const fn get_ref(&self) -> &bare::FutureProducer<C, R> {
        &self.producer
    }

    /// The client's own producer.
    pub fn into_inner(self) -> bare::FutureProducer<C, R> {
        self.producer
    }
}

/// The client expects that a report always comes while a producer is there, and panics otherwise;
/// this says that it was cancelled.
fn outcome(outcome: DeliveryOutcome) -> OwnedDeliveryResult {
    outcome.unwrap_or_else(|Canceled| {
        let none = Timestamp::NotAvailable;
        let lost = OwnedMessage::new(None, None, String::new(), none, -1, 0, None);
        Err((KafkaError::Canceled, lost))
    })
}

/// A record whose operation has started and which the client has not taken yet.
struct Outgoing<'a, K: ToBytes + ?Sized, P: ToBytes + ?Sized> {
    record: FutureRecord<'a, K, P>,
    spare: Spare,
    pending: Pending,
}

/// How long a full queue is tried again.
struct Patience {
    start: Instant,
    timeout: Timeout,
}

impl Patience {
    fn new(timeout: Timeout) -> Self {
        Self { start: Instant::now(), timeout }
    }

    fn has_room_for(&self, error: &KafkaError) -> bool {
        let full = *error == KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
        full && match self.timeout {
            Timeout::Never => true,
            Timeout::After(timeout) => self.start.elapsed() < timeout,
        }
    }
}

impl<C, R> From<bare::FutureProducer<C, R>> for FutureProducer<C, R>
where
    C: ClientContext + 'static,
    R: AsyncRuntime,
{
    fn from(producer: bare::FutureProducer<C, R>) -> Self {
        Self::new(producer, &Instrumentation::default())
    }
}

impl<R: AsyncRuntime> FromClientConfig for FutureProducer<DefaultClientContext, R> {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultClientContext)
    }
}

impl<C, R> FromClientConfigAndContext<C> for FutureProducer<C, R>
where
    C: ClientContext + 'static,
    R: AsyncRuntime,
{
    fn from_config_and_context(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        Self::create(config, context, &Instrumentation::default())
    }
}

impl<C, R> Producer<FutureProducerContext<C>> for FutureProducer<C, R>
where
    C: ClientContext + 'static,
    R: AsyncRuntime,
{
    delegate_producer!(
        bare::FutureProducer<C, R>,
        FutureProducerContext<C>,
        NoCustomPartitioner
    );
}

impl<C, R> Clone for FutureProducer<C, R>
where
    C: ClientContext + 'static,
{
    fn clone(&self) -> Self {
        Self { producer: self.producer.clone(), sender: self.sender.clone() }
    }
}

impl<C, R> std::fmt::Debug for FutureProducer<C, R>
where
    C: ClientContext + 'static,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FutureProducer").finish_non_exhaustive()
    }
}
