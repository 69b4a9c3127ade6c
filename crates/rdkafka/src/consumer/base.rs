//! The consumer that the application polls.

use std::sync::Arc;

use otel_messaging_core::{Endpoint, Instrumentation};
use rdkafka::{
    ClientConfig,
    config::{FromClientConfig, FromClientConfigAndContext},
    consumer::{
        self as bare, Consumer, ConsumerContext, DefaultConsumerContext,
        base_consumer as bare_modules,
    },
    error::KafkaResult,
    util::Timeout,
};

use super::{delegate::delegate_consumer, handed_over};
use crate::{facts, message::BorrowedMessage};

/// [`rdkafka::consumer::BaseConsumer`], instrumented.
///
/// It is made as the client's own: `config.create()` or `config.create_with_context(context)` use
/// the default instrumentation, [`create`](Self::create) another. An existing consumer is wrapped
/// with `From` or [`new`](Self::new).
pub struct BaseConsumer<C = DefaultConsumerContext>
where
    C: ConsumerContext,
{
    /// Shared with the client's partition queues.
    pub(super) consumer: Arc<bare::BaseConsumer<C>>,
    pub(super) endpoint: Endpoint,
}

impl<C: ConsumerContext> BaseConsumer<C> {
    /// Wraps a consumer that works as `instrumentation` says.
    pub fn new(consumer: bare::BaseConsumer<C>, instrumentation: &Instrumentation) -> Self {
        let endpoint = facts::consumer(consumer.client(), instrumentation);
        Self { consumer: Arc::new(consumer), endpoint }
    }

    /// A consumer that works as `instrumentation` says.
    ///
    /// # Errors
    /// Those of the client's own constructor.
    pub fn create(
        config: &ClientConfig,
        context: C,
        instrumentation: &Instrumentation,
    ) -> KafkaResult<Self> {
        let consumer = bare::BaseConsumer::from_config_and_context(config, context)?;
        Ok(Self::new(consumer, instrumentation))
    }

    /// Waits up to `timeout` for a message, and serves other events. A message that is handed
    /// over has its receive span; an empty poll has none.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        let clock = self.endpoint.clock();
        let result = self.consumer.poll(timeout)?;
        Some(handed_over(&self.endpoint, self.consumer.client(), clock, result))
    }

    /// An iterator over messages, which waits for each as long as it takes.
    pub fn iter(&self) -> Iter<'_, C> {
        self.into_iter()
    }

    /// Splits a partition off, as the client's method does: its messages come from the queue.
    pub fn split_partition_queue(
        self: &Arc<Self>,
        topic: &str,
        partition: i32,
    ) -> Option<PartitionQueue<C>> {
        let queue = self.consumer.split_partition_queue(topic, partition)?;
        Some(PartitionQueue { queue, consumer: Arc::clone(self) })
    }

    /// Begins to close the consumer, as the client's method does.
    ///
    /// # Errors
    /// Those of the client.
    pub fn close_queue(&self) -> KafkaResult<()> {
        self.consumer.close_queue()
    }

    /// Whether the consumer is closed.
    pub fn closed(&self) -> bool {
        self.consumer.closed()
    }

    /// Sets what is called whenever messages become available.
    pub fn set_nonempty_callback<F>(&mut self, callback: F)
    where
        F: Fn() + Send + Sync + 'static,
    {
        // A partition queue holds this consumer too, so whoever has `&mut self` is alone.
        if let Some(consumer) = Arc::get_mut(&mut self.consumer) {
            consumer.set_nonempty_callback(callback);
        }
    }

    /// The client's own consumer. What is received through it is not instrumented.
    pub fn get_ref(&self) -> &bare::BaseConsumer<C> {
        &self.consumer
    }

    /// The client's own consumer.
    pub fn into_inner(self) -> Arc<bare::BaseConsumer<C>> {
        self.consumer
    }
}

impl<C: ConsumerContext> From<bare::BaseConsumer<C>> for BaseConsumer<C> {
    fn from(consumer: bare::BaseConsumer<C>) -> Self {
        Self::new(consumer, &Instrumentation::default())
    }
}

impl FromClientConfig for BaseConsumer {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultConsumerContext)
    }
}

impl<C: ConsumerContext> FromClientConfigAndContext<C> for BaseConsumer<C> {
    fn from_config_and_context(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        Self::create(config, context, &Instrumentation::default())
    }
}

delegate_consumer!([C: ConsumerContext] BaseConsumer<C>, bare::BaseConsumer<C>);

impl<C: ConsumerContext> std::fmt::Debug for BaseConsumer<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BaseConsumer").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// An iterator over the messages of a [`BaseConsumer`].
#[derive(Debug)]
pub struct Iter<'a, C: ConsumerContext>(&'a BaseConsumer<C>);

impl<'a, C: ConsumerContext> Iterator for Iter<'a, C> {
    type Item = KafkaResult<BorrowedMessage<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let clock = self.0.endpoint.clock();
        let result = self.0.consumer.iter().next()?;
        Some(handed_over(&self.0.endpoint, self.0.consumer.client(), clock, result))
    }
}

impl<'a, C: ConsumerContext> IntoIterator for &'a BaseConsumer<C> {
    type Item = KafkaResult<BorrowedMessage<'a>>;
    type IntoIter = Iter<'a, C>;

    fn into_iter(self) -> Iter<'a, C> {
        Iter(self)
    }
}

/// [`rdkafka::consumer::base_consumer::PartitionQueue`], instrumented.
pub struct PartitionQueue<C: ConsumerContext> {
    queue: bare_modules::PartitionQueue<C>,
    consumer: Arc<BaseConsumer<C>>,
}

impl<C: ConsumerContext> PartitionQueue<C> {
    /// Waits up to `timeout` for a message of the partition.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        let clock = self.consumer.endpoint.clock();
        let result = self.queue.poll(timeout)?;
        let client = self.consumer.consumer.client();
        Some(handed_over(&self.consumer.endpoint, client, clock, result))
    }

    /// Sets what is called whenever messages become available.
    pub fn set_nonempty_callback<F>(&mut self, callback: F)
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.queue.set_nonempty_callback(callback);
    }

    /// The client's own queue. What is received through it is not instrumented.
    pub const fn get_ref(&self) -> &bare_modules::PartitionQueue<C> {
        &self.queue
    }
}

impl<C: ConsumerContext> std::fmt::Debug for PartitionQueue<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartitionQueue").finish_non_exhaustive()
    }
}
