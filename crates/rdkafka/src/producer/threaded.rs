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

use super::{
    Instrumented,
    base::Sender,
    delegate::{delegate_producer, producer_methods},
};
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
    producer_methods!(
        bare::ThreadedProducer<Instrumented<C>, Part>,
        "The span ends with the delivery report, which the producer's own thread fetches."
    );
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
