//! Consumers, through which messages are received.
//!
//! Mirrors [`async_nats::jetstream::consumer`].

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

pub use ::async_nats::jetstream::consumer::*;
use ::async_nats::jetstream::{self as bare, consumer as bare_consumer};
use otel_messaging_core::Operation;

use super::Message;
use crate::{
    Client,
    facts::Connection,
    failure::Classify,
    incoming::{Incoming, Source},
    semconv,
};

pub mod pull;
pub mod push;

/// A consumer that is asked for messages.
pub type PullConsumer = Consumer<pull::Config>;
/// A consumer that sends messages by itself.
pub type PushConsumer = Consumer<push::Config>;
/// A pull consumer that starts again where messages are missing.
pub type OrderedPullConsumer = Consumer<pull::OrderedConfig>;
/// A push consumer that starts again where messages are missing.
pub type OrderedPushConsumer = Consumer<push::OrderedConfig>;

/// [`async_nats::jetstream::consumer::Consumer`](bare_consumer::Consumer), instrumented.
///
/// Its durable name or the group that its messages are delivered to is the consumer group; the
/// subject that it filters by is the template of its messages', if that has wildcards. It
/// dereferences to the client's own.
#[derive(Clone, Debug)]
pub struct Consumer<T: IntoConsumerConfig> {
    consumer: bare_consumer::Consumer<T>,
    connection: Arc<Connection>,
}

impl<T: IntoConsumerConfig> Consumer<T> {
    /// Wraps a consumer that works as the instrumentation of `client` says.
    pub fn new(consumer: bare_consumer::Consumer<T>, client: &Client) -> Self {
        let Info { stream_name, config, .. } = consumer.cached_info();
        let group = config.deliver_group.as_ref().or(config.durable_name.as_ref()).cloned();
        let stream = Some(stream_name.clone());
        let connection = client.connection().receiving(&config.filter_subject, group, stream);
        Self { consumer, connection }
    }

    /// The client's own consumer. What is received through it is not instrumented.
    pub const fn get_ref(&self) -> &bare_consumer::Consumer<T> {
        &self.consumer
    }

    /// The client's own consumer.
    pub fn into_inner(self) -> bare_consumer::Consumer<T> {
        self.consumer
    }
}

impl<T: IntoConsumerConfig> Deref for Consumer<T> {
    type Target = bare_consumer::Consumer<T>;

    fn deref(&self) -> &Self::Target {
        &self.consumer
    }
}

impl<T: IntoConsumerConfig> DerefMut for Consumer<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.consumer
    }
}

/// Asks for messages. Where each request is for some, the clock of the first one runs from here.
async fn ask<S: Source, E: Classify>(
    connection: &Arc<Connection>,
    stream: impl Future<Output = Result<S, E>>,
) -> Result<Incoming<S>, E> {
    let endpoint = connection.endpoint();
    let clock = endpoint.clock();
    match stream.await {
        Ok(stream) => {
            let clock = (S::OPERATION == semconv::FETCH).then_some(clock);
            Ok(Incoming::new(stream, Arc::clone(connection), clock))
        }
        Err(error) => {
            endpoint.receive_failed(S::OPERATION, clock, None, error.failure());
            Err(error)
        }
    }
}

/// The client's streams of messages.
macro_rules! sources {
    ($($stream:ty, $error:ty, $operation:expr;)*) => {
        $(
            impl Source for $stream {
                type Bare = bare::Message;
                type Message = Message;
                type Error = $error;
                const OPERATION: Operation = $operation;

                fn unpack(item: Result<bare::Message, $error>) -> Result<bare::Message, $error> {
                    item
                }
            }
        )*
    };
}

sources! {
    bare_consumer::pull::Batch, ::async_nats::Error, semconv::FETCH;
    bare_consumer::pull::Stream, pull::MessagesError, semconv::RECEIVE;
    bare_consumer::pull::Ordered, pull::OrderedError, semconv::RECEIVE;
    bare_consumer::push::Messages, push::MessagesError, semconv::RECEIVE;
    bare_consumer::push::Ordered, push::OrderedError, semconv::RECEIVE;
}
