//! The consumer that the application polls.

use std::sync::Arc;

use otel_messaging_core::{Instrumentation, Instrumenter, client::wrapper};
use rdkafka::{
    ClientConfig,
    config::{FromClientConfig, FromClientConfigAndContext},
    consumer::{
        CommitMode, Consumer, ConsumerContext, DefaultConsumerContext, base_consumer as bare,
    },
    error::KafkaResult,
    util::Timeout,
};

use super::handed_over;
use crate::{Instrumented, KafkaClient, message::BorrowedMessage, server, settle};

/// [`rdkafka::consumer::BaseConsumer`], instrumented; see [`Instrumented`].
pub type BaseConsumer<C = DefaultConsumerContext> = Instrumented<bare::BaseConsumer<C>>;

impl<C: ConsumerContext> KafkaClient for bare::BaseConsumer<C> {
    type Context = C;

    fn create_bare(config: &ClientConfig, context: C, _: &Instrumentation) -> KafkaResult<Self> {
        Self::from_config_and_context(config, context)
    }

    fn instrumenter(&self, instrumentation: &Instrumentation) -> Instrumenter {
        server::consumer(self.client(), instrumentation)
    }
}

impl FromClientConfig for BaseConsumer {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultConsumerContext)
    }
}

impl<C: ConsumerContext> BaseConsumer<C> {
    /// Waits up to `timeout` for a message, and serves other events. A message that is handed over
    /// has a receive span, which began with the call; an empty poll has none.
    ///
    /// # Errors
    /// Returns the client's error, with a failed receive span. The end of a partition has none.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        let clock = self.instrumenter.clock();
        let result = self.client.poll(timeout)?;
        Some(handed_over(&self.instrumenter, self.client.client(), clock, result))
    }

    /// Returns an iterator over messages, which waits for each as long as it takes.
    pub fn iter(&self) -> Iter<'_, C> {
        self.into_iter()
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
    ) -> Option<PartitionQueue<C>> {
        let bare = self.client.split_partition_queue(topic, partition)?;
        Some(PartitionQueue { bare, consumer: Arc::clone(self) })
    }

    /// Begins to close the consumer, as the client's method does.
    ///
    /// # Errors
    /// Returns the client's error.
    pub fn close_queue(&self) -> KafkaResult<()> {
        self.client.close_queue()
    }

    /// Returns whether the consumer is closed.
    pub fn closed(&self) -> bool {
        self.client.closed()
    }

    /// Sets what is called whenever messages become available.
    pub fn set_nonempty_callback<F>(&mut self, callback: F)
    where
        F: Fn() + Send + Sync + 'static,
    {
        // A partition queue holds this consumer too, so that nothing else shares the client's own
        // while there is `&mut self`.
        if let Some(client) = Arc::get_mut(&mut self.client) {
            client.set_nonempty_callback(callback);
        }
    }
}

/// An iterator over the messages of a [`BaseConsumer`], each with its receive span. It never ends.
#[derive(Debug)]
pub struct Iter<'a, C: ConsumerContext>(&'a BaseConsumer<C>);

impl<'a, C: ConsumerContext> Iterator for Iter<'a, C> {
    type Item = KafkaResult<BorrowedMessage<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self(consumer) = self;
        let clock = consumer.instrumenter.clock();
        let result = consumer.client.iter().next()?;
        Some(handed_over(&consumer.instrumenter, consumer.client.client(), clock, result))
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
    bare: bare::PartitionQueue<C>,
    consumer: Arc<BaseConsumer<C>>,
}

wrapper!(PartitionQueue[C: ConsumerContext]: bare::PartitionQueue<C>);

impl<C: ConsumerContext> PartitionQueue<C> {
    /// Waits up to `timeout` for a message of the partition; see [`BaseConsumer::poll`].
    ///
    /// # Errors
    /// Returns the client's error, with a failed receive span. The end of a partition has none.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        let clock = self.consumer.instrumenter.clock();
        let result = self.bare.poll(timeout)?;
        let client = self.consumer.client.client();
        Some(handed_over(&self.consumer.instrumenter, client, clock, result))
    }

    /// Sets what is called whenever messages become available.
    pub fn set_nonempty_callback<F>(&mut self, callback: F)
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.bare.set_nonempty_callback(callback);
    }
}
