//! The producer that the application polls.

use otel_messaging_core::{CreationContext, Endpoint, Instrumentation};
use rdkafka::{
    ClientConfig,
    config::{FromClientConfig, FromClientConfigAndContext},
    error::{KafkaError, KafkaResult},
    message::ToBytes,
    producer::{
        self as bare, BaseRecord, DefaultProducerContext, NoCustomPartitioner, Partitioner,
        Producer, ProducerContext,
    },
    util::{IntoOpaque, Timeout},
};

use super::{
    Instrumented, Tracked,
    delegate::{delegate_producer, producer_methods},
    report::{Member, Pending},
};
use crate::{facts, native, record, semconv};

/// [`rdkafka::producer::BaseProducer`], instrumented.
///
/// It is made as the client's own: `config.create()` or `config.create_with_context(context)` use
/// the default instrumentation, [`create`](Self::create) another. As a [`Producer`] its context is
/// [`Instrumented<C>`].
pub struct BaseProducer<C = DefaultProducerContext, Part = NoCustomPartitioner>
where
    C: ProducerContext<Part>,
    Part: Partitioner,
{
    producer: bare::BaseProducer<Instrumented<C>, Part>,
    sender: Sender,
}

impl<C, Part> BaseProducer<C, Part>
where
    C: ProducerContext<Part>,
    Part: Partitioner,
{
    /// A producer that works as `instrumentation` says.
    ///
    /// # Errors
    /// Those of the client's own constructor.
    pub fn create(
        config: &ClientConfig,
        context: C,
        instrumentation: &Instrumentation,
    ) -> KafkaResult<Self> {
        let context = Instrumented::new(context);
        let producer = bare::BaseProducer::from_config_and_context(config, context)?;
        let sender = Sender::new(producer.client(), instrumentation);
        Ok(Self { producer, sender })
    }

    producer_methods!(
        bare::BaseProducer<Instrumented<C>, Part>,
        "The span ends with the delivery report, which [`poll`](Self::poll) or \
         [`flush`](Producer::flush) fetches."
    );
}

impl FromClientConfig for BaseProducer {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultProducerContext)
    }
}

impl<C, Part> FromClientConfigAndContext<C> for BaseProducer<C, Part>
where
    C: ProducerContext<Part>,
    Part: Partitioner,
{
    fn from_config_and_context(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        Self::create(config, context, &Instrumentation::default())
    }
}

impl<C, Part> Producer<Instrumented<C>, Part> for BaseProducer<C, Part>
where
    C: ProducerContext<Part>,
    Part: Partitioner,
{
    delegate_producer!(bare::BaseProducer<Instrumented<C>, Part>, Instrumented<C>, Part);
}

impl<C, Part> std::fmt::Debug for BaseProducer<C, Part>
where
    C: ProducerContext<Part>,
    Part: Partitioner,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BaseProducer").finish_non_exhaustive()
    }
}

/// How a producer whose context we are sends: with the operation in the record's opaque.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) endpoint: Endpoint,
    /// The client's `message.max.bytes`.
    pub(crate) limit: usize,
}

/// The record as the application gave it, and as the client takes it.
type Given<'a, K, P, D> = BaseRecord<'a, K, P, D>;
type Taken<'a, K, P, D> = BaseRecord<'a, K, P, Box<Tracked<D>>>;

impl Sender {
    pub(crate) fn new<C: rdkafka::ClientContext>(
        client: &rdkafka::client::Client<C>,
        instrumentation: &Instrumentation,
    ) -> Self {
        Self { endpoint: facts::producer(client, instrumentation), limit: limit(client) }
    }

    pub(crate) fn send<'a, K, P, D>(
        &self,
        mut record: Given<'a, K, P, D>,
        creation: Option<&CreationContext>,
        send: impl Fn(Taken<'a, K, P, D>) -> Result<(), (KafkaError, Taken<'a, K, P, D>)>,
    ) -> Result<(), (KafkaError, Given<'a, K, P, D>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
        D: IntoOpaque,
    {
        let mut outgoing = record::Record::of_base(&mut record);
        let spare = record::Spare::of(&outgoing, self.limit);
        let operation = match creation {
            Some(creation) => self.endpoint.send_created(semconv::SEND, &mut outgoing, creation),
            None => self.endpoint.send(semconv::SEND, &mut outgoing),
        };
        self.hand_over(record, spare, Pending::One(operation), send)
    }

    pub(crate) fn send_batch<'a, K, P, D>(
        &self,
        records: impl IntoIterator<Item = Given<'a, K, P, D>>,
        send: impl Fn(Taken<'a, K, P, D>) -> Result<(), (KafkaError, Taken<'a, K, P, D>)>,
    ) -> Vec<Result<(), (KafkaError, Given<'a, K, P, D>)>>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
        D: IntoOpaque,
    {
        let mut records: Vec<_> = records.into_iter().collect();
        let mut outgoing: Vec<_> = records.iter_mut().map(record::Record::of_base).collect();
        let spares: Vec<_> =
            outgoing.iter().map(|record| record::Spare::of(record, self.limit)).collect();
        let operation = self.endpoint.send_batch(semconv::SEND, &mut outgoing);
        let members = Member::all(operation, records.len());
        records
            .into_iter()
            .zip(spares)
            .zip(members)
            .map(|((record, spare), member)| {
                self.hand_over(record, spare, Pending::Member(member), &send)
            })
            .collect()
    }

    fn hand_over<'a, K, P, D>(
        &self,
        record: Given<'a, K, P, D>,
        mut spare: record::Spare,
        pending: Pending,
        send: impl Fn(Taken<'a, K, P, D>) -> Result<(), (KafkaError, Taken<'a, K, P, D>)>,
    ) -> Result<(), (KafkaError, Given<'a, K, P, D>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
        D: IntoOpaque,
    {
        let (record, opaque) = with_opaque(record, ());
        let (mut record, ()) = with_opaque(record, Box::new(Tracked { pending, opaque }));
        loop {
            let Err((error, mut refused)) = send(record) else { return Ok(()) };
            if spare.restore(&error, &mut refused.headers) {
                self.endpoint.report_not_injected(record::TOO_LARGE);
                record = refused;
                continue;
            }
            let (refused, tracked) = with_opaque(refused, ());
            let Tracked { pending, opaque } = *tracked;
            pending.rejected(&error);
            let (refused, ()) = with_opaque(refused, opaque);
            return Err((error, refused));
        }
    }
}

pub(crate) fn limit<C: rdkafka::ClientContext>(client: &rdkafka::client::Client<C>) -> usize {
    native::property(client, c"message.max.bytes")
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(usize::MAX)
}

/// The record with another opaque, and the one it had.
fn with_opaque<K, P, D, E>(
    record: BaseRecord<'_, K, P, D>,
    opaque: E,
) -> (BaseRecord<'_, K, P, E>, D)
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
    D: IntoOpaque,
    E: IntoOpaque,
{
    let BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque } = record;
    let record =
        BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque: opaque };
    (record, delivery_opaque)
}
