//! The producer that polls itself, in a thread of its own.

use otel_messaging_core::{CreationContext, Instrumentation};
use rdkafka::{
    ClientConfig,
    config::{FromClientConfig, FromClientConfigAndContext},
    error::{KafkaError, KafkaResult},
    message::ToBytes,
    producer::{
        self as bare, BaseRecord, DefaultProducerContext, NoCustomPartitioner, Partitioner,
        Producer, ProducerContext,
    },
    util::Timeout,
};

use super::{Instrumented, base::Sender, delegate::delegate_producer};
use crate::facts;

/// [`rdkafka::producer::ThreadedProducer`], instrumented.
///
/// It is made as the client's own: `config.create()` or `config.create_with_context(context)` use
/// the default instrumentation, [`create`](Self::create) another. As a [`Producer`] its context is
/// [`Instrumented<C>`].
#[must_use = "the producer stops when it is dropped"]
pub struct ThreadedProducer<C, Part = NoCustomPartitioner>
where
    C: ProducerContext<Part> + 'static,
    C::DeliveryOpaque: 'static,
    Part: Partitioner,
{
    producer: bare::ThreadedProducer<Instrumented<C>, Part>,
    sender: Sender,
}

impl<C, Part> ThreadedProducer<C, Part>
where
    C: ProducerContext<Part> + 'static,
    C::DeliveryOpaque: 'static,
    Part: Partitioner + Send + Sync + 'static,
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
        let producer = bare::ThreadedProducer::from_config_and_context(config, context)?;
        let sender = Sender::new(producer.client(), instrumentation);
        Ok(Self { producer, sender })
    }
}

impl<C, Part> ThreadedProducer<C, Part>
where
    C: ProducerContext<Part> + 'static,
    C::DeliveryOpaque: 'static,
    Part: Partitioner,
{
    /// Sends a record, without waiting for its delivery. The span ends with the delivery report.
    ///
    /// # Errors
    /// Those of the client, with the record. It may be sent again: its context is replaced then.
    pub fn send<'a, K, P>(
        &self,
        record: BaseRecord<'a, K, P, C::DeliveryOpaque>,
    ) -> Result<(), (KafkaError, BaseRecord<'a, K, P, C::DeliveryOpaque>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        self.learn_cluster();
        self.sender.send(record, None, |record| self.producer.send(record))
    }

    /// [`send`](Self::send) for a record that was created in `creation`, which it carries away
    /// instead of the send span's context; the send span links to it (rule R9).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_created<'a, K, P>(
        &self,
        record: BaseRecord<'a, K, P, C::DeliveryOpaque>,
        creation: &CreationContext,
    ) -> Result<(), (KafkaError, BaseRecord<'a, K, P, C::DeliveryOpaque>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        self.learn_cluster();
        self.sender.send(record, Some(creation), |record| self.producer.send(record))
    }

    /// Sends records as one batch: a create span for each, and one send span that links to all of
    /// them and ends with the last delivery report (rule R7).
    ///
    /// The results are in the order of the records.
    ///
    /// # Errors
    /// For each record as [`send`](Self::send).
    pub fn send_batch<'a, K, P>(
        &self,
        records: impl IntoIterator<Item = BaseRecord<'a, K, P, C::DeliveryOpaque>>,
    ) -> Vec<Result<(), (KafkaError, BaseRecord<'a, K, P, C::DeliveryOpaque>)>>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        self.learn_cluster();
        self.sender.send_batch(records, |record| self.producer.send(record))
    }

    /// Serves delivery reports and other events, beside the producer's own thread.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) {
        self.producer.poll(timeout);
    }

    fn learn_cluster(&self) {
        facts::learn_cluster(&self.sender.endpoint, self.producer.client());
    }

    /// The client's own producer. What is sent through it is not instrumented.
    pub const fn get_ref(&self) -> &bare::ThreadedProducer<Instrumented<C>, Part> {
        &self.producer
    }
}

impl FromClientConfig for ThreadedProducer<DefaultProducerContext> {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultProducerContext)
    }
}

impl<C, Part> FromClientConfigAndContext<C> for ThreadedProducer<C, Part>
where
    C: ProducerContext<Part> + 'static,
    C::DeliveryOpaque: 'static,
    Part: Partitioner + Send + Sync + 'static,
{
    fn from_config_and_context(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        Self::create(config, context, &Instrumentation::default())
    }
}

impl<C, Part> Producer<Instrumented<C>, Part> for ThreadedProducer<C, Part>
where
    C: ProducerContext<Part> + 'static,
    C::DeliveryOpaque: 'static,
    Part: Partitioner,
{
    delegate_producer!(bare::ThreadedProducer<Instrumented<C>, Part>, Instrumented<C>, Part);
}

impl<C> Clone for ThreadedProducer<C>
where
    C: ProducerContext + 'static,
    C::DeliveryOpaque: 'static,
{
    fn clone(&self) -> Self {
        Self { producer: self.producer.clone(), sender: self.sender.clone() }
    }
}

impl<C, Part> std::fmt::Debug for ThreadedProducer<C, Part>
where
    C: ProducerContext<Part> + 'static,
    C::DeliveryOpaque: 'static,
    Part: Partitioner,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadedProducer").finish_non_exhaustive()
    }
}
