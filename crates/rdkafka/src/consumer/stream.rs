//! The asynchronous consumer.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use otel_messaging_core::{
    Failure, Incoming, Instrumentation, Instrumenter, Operation,
    client::{Source, wrapper},
};
use rdkafka::{
    ClientConfig,
    client::Client,
    config::{FromClientConfig, FromClientConfigAndContext},
    consumer::{
        CommitMode, Consumer, ConsumerContext, DefaultConsumerContext, stream_consumer as bare,
    },
    error::{KafkaError, KafkaResult},
    util::{AsyncRuntime, DefaultRuntime},
};

use super::{handed_over, receive_failure};
use crate::{Instrumented, KafkaClient, message::BorrowedMessage, semconv, server, settle};

/// [`rdkafka::consumer::StreamConsumer`], instrumented; see [`Instrumented`].
pub type StreamConsumer<C = DefaultConsumerContext, R = DefaultRuntime> =
    Instrumented<bare::StreamConsumer<C, R>>;

impl<C, R> KafkaClient for bare::StreamConsumer<C, R>
where
    C: ConsumerContext + 'static,
    R: AsyncRuntime,
{
    type Context = C;

    fn create_bare(config: &ClientConfig, context: C, _: &Instrumentation) -> KafkaResult<Self> {
        Self::from_config_and_context(config, context)
    }

    fn instrumenter(&self, instrumentation: &Instrumentation) -> Instrumenter {
        server::consumer(self.client(), instrumentation)
    }
}

impl<R: AsyncRuntime> FromClientConfig for StreamConsumer<DefaultConsumerContext, R> {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultConsumerContext)
    }
}

impl<C, R> StreamConsumer<C, R>
where
    C: ConsumerContext + 'static,
{
    /// Waits for the next message. Its receive span covers the wait.
    ///
    /// Cancel safety: dropped before a message is there, nothing is lost and there is no span.
    ///
    /// # Errors
    /// Returns the client's error, with a failed receive span. The end of a partition has none.
    pub async fn recv(&self) -> KafkaResult<BorrowedMessage<'_>> {
        let clock = self.instrumenter.clock();
        let result = self.client.recv().await;
        handed_over(&self.instrumenter, self.client.client(), clock, result)
    }

    /// Returns a stream of messages, which never ends.
    pub fn stream(&self) -> MessageStream<'_, C> {
        messages(self, self.client.stream())
    }

    /// Returns a stream of batches: of `max` messages, or of as many as came within `max_wait`
    /// after the first. Each batch has one receive span.
    ///
    /// The stream owns what it has collected, so that nothing is lost when its `next` is dropped in
    /// a `select!`: see [`Batches`].
    pub fn batches(&self, max: usize, max_wait: Duration) -> Batches<'_, C, R>
    where
        R: AsyncRuntime,
    {
        otel_messaging_core::Batches::new(self.stream(), max, max_wait, R::delay_for)
    }

    /// Commits the offset of a message, in a settle span that links to the message's creation
    /// context. With `CommitMode::Async` the span ends when the client has taken the commit, and
    /// the result goes to the `commit_callback` of the consumer context.
    ///
    /// # Errors
    /// Returns the client's error.
    pub fn commit_message(
        &self,
        message: &BorrowedMessage<'_>,
        mode: CommitMode,
    ) -> KafkaResult<()> {
        settle::message(message, || self.client.commit_message(message, mode))
    }

    /// Splits off a partition, whose messages come from the queue that is returned, as the client's
    /// method does.
    pub fn split_partition_queue(
        self: &Arc<Self>,
        topic: &str,
        partition: i32,
    ) -> Option<StreamPartitionQueue<C, R>> {
        let bare = self.client.split_partition_queue(topic, partition)?;
        Some(StreamPartitionQueue { bare, consumer: Arc::clone(self) })
    }
}

/// [`rdkafka::consumer::MessageStream`], instrumented. It never ends.
///
/// The receive span of a message covers the time from the first poll after the last message.
pub type MessageStream<'a, C> = Incoming<Messages<'a, C>>;

/// [`otel_messaging_core::Batches`] of a Kafka consumer, made by [`StreamConsumer::batches`]. They
/// never end.
pub type Batches<'a, C, R> =
    otel_messaging_core::Batches<Messages<'a, C>, <R as AsyncRuntime>::Delay>;

/// The client's own stream of messages, as the core of the instrumentation reads it.
pub struct Messages<'a, C: ConsumerContext> {
    bare: bare::MessageStream<'a, C>,
    instrumenter: &'a Instrumenter,
    client: &'a Client<C>,
}

impl<C: ConsumerContext> fmt::Debug for Messages<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

fn messages<'a, C: ConsumerContext, R>(
    consumer: &'a StreamConsumer<C, R>,
    bare: bare::MessageStream<'a, C>,
) -> MessageStream<'a, C> {
    let (instrumenter, client) = (&consumer.instrumenter, consumer.client.client());
    Incoming::new(Messages { bare, instrumenter, client })
}

impl<'a, C: ConsumerContext> Source for Messages<'a, C> {
    type Message = BorrowedMessage<'a>;
    type Error = KafkaError;
    const OPERATION: Operation = semconv::POLL;

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<KafkaResult<BorrowedMessage<'a>>>> {
        let polled = ready!(Pin::new(&mut self.bare).poll_next(context));
        server::learn_cluster(self.instrumenter, self.client);
        let received = |message| BorrowedMessage::from_bare(message, self.instrumenter);
        Poll::Ready(polled.map(|polled| polled.map(received)))
    }

    fn instrumenter(&self) -> &Instrumenter {
        self.instrumenter
    }

    fn failure(error: &KafkaError) -> Option<Failure> {
        receive_failure(error)
    }
}

/// [`rdkafka::consumer::stream_consumer::StreamPartitionQueue`], instrumented.
pub struct StreamPartitionQueue<C: ConsumerContext, R = DefaultRuntime> {
    bare: bare::StreamPartitionQueue<C, R>,
    consumer: Arc<StreamConsumer<C, R>>,
}

wrapper!(StreamPartitionQueue[C: ConsumerContext, R]: bare::StreamPartitionQueue<C, R>);

impl<C: ConsumerContext, R> StreamPartitionQueue<C, R> {
    /// Waits for the next message of the partition; see [`StreamConsumer::recv`].
    ///
    /// Cancel safety: dropped before a message is there, nothing is lost and there is no span.
    ///
    /// # Errors
    /// Returns the client's error, with a failed receive span. The end of a partition has none.
    pub async fn recv(&self) -> KafkaResult<BorrowedMessage<'_>> {
        let clock = self.consumer.instrumenter.clock();
        let result = self.bare.recv().await;
        handed_over(&self.consumer.instrumenter, self.consumer.client.client(), clock, result)
    }

    /// Returns a stream of messages, which never ends.
    pub fn stream(&self) -> MessageStream<'_, C> {
        messages(&self.consumer, self.bare.stream())
    }

    /// Returns a stream of batches; see [`StreamConsumer::batches`].
    pub fn batches(&self, max: usize, max_wait: Duration) -> Batches<'_, C, R>
    where
        R: AsyncRuntime,
    {
        otel_messaging_core::Batches::new(self.stream(), max, max_wait, R::delay_for)
    }
}
