//! The asynchronous consumer.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use otel_messaging_core::{Clock, Endpoint, Instrumentation};
use rdkafka::{
    ClientConfig,
    client::Client,
    config::{FromClientConfig, FromClientConfigAndContext},
    consumer::{
        self as bare, Consumer, ConsumerContext, DefaultConsumerContext,
        stream_consumer as bare_modules,
    },
    error::KafkaResult,
    util::{AsyncRuntime, DefaultRuntime, Timeout},
};

use super::{Batches, delegate::delegate_consumer, handed_over};
use crate::{facts, message::BorrowedMessage};

/// [`rdkafka::consumer::StreamConsumer`], instrumented.
///
/// It is made as the client's own: `config.create()` or `config.create_with_context(context)` use
/// the default instrumentation, [`create`](Self::create) another. An existing consumer is wrapped
/// with `From` or [`new`](Self::new).
#[must_use = "the consumer stops when it is dropped"]
pub struct StreamConsumer<C = DefaultConsumerContext, R = DefaultRuntime>
where
    C: ConsumerContext,
{
    /// Shared with the client's partition queues.
    consumer: Arc<bare::StreamConsumer<C, R>>,
    endpoint: Endpoint,
}

impl<C, R> StreamConsumer<C, R>
where
    C: ConsumerContext + 'static,
{
    /// Wraps a consumer that works as `instrumentation` says.
    pub fn new(consumer: bare::StreamConsumer<C, R>, instrumentation: &Instrumentation) -> Self {
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
    ) -> KafkaResult<Self>
    where
        R: AsyncRuntime,
    {
        let consumer = bare::StreamConsumer::from_config_and_context(config, context)?;
        Ok(Self::new(consumer, instrumentation))
    }

    /// Waits for the next message. Its receive span covers the wait.
    ///
    /// Cancel safety: dropped before a message is there, nothing is lost and there is no span.
    ///
    /// # Errors
    /// Those of the client, each with a failed receive span, but for the end of a partition.
    pub async fn recv(&self) -> KafkaResult<BorrowedMessage<'_>> {
        let clock = self.endpoint.clock();
        let result = self.consumer.recv().await;
        handed_over(&self.endpoint, self.consumer.client(), clock, result)
    }

    /// A stream of messages, which never ends.
    pub fn stream(&self) -> MessageStream<'_, C> {
        MessageStream {
            stream: self.consumer.stream(),
            endpoint: &self.endpoint,
            client: self.consumer.client(),
            clock: None,
        }
    }

    /// A stream of batches: of `max` messages, or of as many as came within `max_wait` after the
    /// first. One receive span a batch.
    ///
    /// The adaptor owns what it has collected, so that nothing is lost when its `next` is dropped
    /// in a `select!`; see [`Batches`].
    pub fn batches(&self, max: usize, max_wait: Duration) -> Batches<'_, C, R>
    where
        R: AsyncRuntime,
    {
        let (stream, client) = (self.consumer.stream(), self.consumer.client());
        Batches::new(stream, &self.endpoint, client, max, max_wait)
    }

    /// Splits a partition off, as the client's method does: its messages come from the queue.
    pub fn split_partition_queue(
        self: &Arc<Self>,
        topic: &str,
        partition: i32,
    ) -> Option<StreamPartitionQueue<C, R>> {
        let queue = self.consumer.split_partition_queue(topic, partition)?;
        Some(StreamPartitionQueue { queue, consumer: Arc::clone(self) })
    }

    /// The client's own consumer. What is received through it is not instrumented.
    pub fn get_ref(&self) -> &bare::StreamConsumer<C, R> {
        &self.consumer
    }

    /// The client's own consumer.
    pub fn into_inner(self) -> Arc<bare::StreamConsumer<C, R>> {
        self.consumer
    }
}

impl<C, R> From<bare::StreamConsumer<C, R>> for StreamConsumer<C, R>
where
    C: ConsumerContext + 'static,
{
    fn from(consumer: bare::StreamConsumer<C, R>) -> Self {
        Self::new(consumer, &Instrumentation::default())
    }
}

impl<R: AsyncRuntime> FromClientConfig for StreamConsumer<DefaultConsumerContext, R> {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultConsumerContext)
    }
}

impl<C, R> FromClientConfigAndContext<C> for StreamConsumer<C, R>
where
    C: ConsumerContext + 'static,
    R: AsyncRuntime,
{
    fn from_config_and_context(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        Self::create(config, context, &Instrumentation::default())
    }
}

delegate_consumer!([C: ConsumerContext, R] StreamConsumer<C, R>, bare::StreamConsumer<C, R>);

impl<C: ConsumerContext, R> std::fmt::Debug for StreamConsumer<C, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamConsumer").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// [`rdkafka::consumer::MessageStream`], instrumented. It never ends.
///
/// The receive span of a message covers the time from the first poll after the last message.
pub struct MessageStream<'a, C: ConsumerContext> {
    stream: bare::MessageStream<'a, C>,
    endpoint: &'a Endpoint,
    client: &'a Client<C>,
    clock: Option<Clock>,
}

impl<'a, C: ConsumerContext> Stream for MessageStream<'a, C> {
    type Item = KafkaResult<BorrowedMessage<'a>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let endpoint = self.endpoint;
        let clock = *self.clock.get_or_insert_with(|| endpoint.clock());
        Pin::new(&mut self.stream).poll_next(context).map(|result| {
            self.clock = None;
            result.map(|result| handed_over(endpoint, self.client, clock, result))
        })
    }
}

impl<C: ConsumerContext> std::fmt::Debug for MessageStream<'_, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageStream").finish_non_exhaustive()
    }
}

/// [`rdkafka::consumer::stream_consumer::StreamPartitionQueue`], instrumented.
pub struct StreamPartitionQueue<C, R = DefaultRuntime>
where
    C: ConsumerContext,
{
    queue: bare_modules::StreamPartitionQueue<C, R>,
    consumer: Arc<StreamConsumer<C, R>>,
}

impl<C, R> StreamPartitionQueue<C, R>
where
    C: ConsumerContext,
{
    /// Waits for the next message of the partition; see [`StreamConsumer::recv`].
    ///
    /// # Errors
    /// Those of the client, each with a failed receive span, but for the end of a partition.
    pub async fn recv(&self) -> KafkaResult<BorrowedMessage<'_>> {
        let clock = self.consumer.endpoint.clock();
        let result = self.queue.recv().await;
        handed_over(&self.consumer.endpoint, self.consumer.consumer.client(), clock, result)
    }

    /// A stream of messages, which never ends.
    pub fn stream(&self) -> MessageStream<'_, C> {
        MessageStream {
            stream: self.queue.stream(),
            endpoint: &self.consumer.endpoint,
            client: self.consumer.consumer.client(),
            clock: None,
        }
    }

    /// A stream of batches; see [`StreamConsumer::batches`].
    pub fn batches(&self, max: usize, max_wait: Duration) -> Batches<'_, C, R>
    where
        R: AsyncRuntime,
    {
        let (stream, client) = (self.queue.stream(), self.consumer.consumer.client());
        Batches::new(stream, &self.consumer.endpoint, client, max, max_wait)
    }

    /// The client's own queue. What is received through it is not instrumented.
    pub const fn get_ref(&self) -> &bare_modules::StreamPartitionQueue<C, R> {
        &self.queue
    }
}

impl<C: ConsumerContext, R> std::fmt::Debug for StreamPartitionQueue<C, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamPartitionQueue").finish_non_exhaustive()
    }
}
