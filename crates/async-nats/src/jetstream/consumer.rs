//! Consumers, through which messages are received.
//!
//! Mirrors [`async_nats::jetstream::consumer`].

use std::{ops::DerefMut, task::Poll};

use ::async_nats::jetstream::consumer as bare;
pub use ::async_nats::jetstream::consumer::*;
use futures_core::Stream as _;
use otel_messaging_core::client::{Source, wrapper};

use super::Message;
use crate::{
    Client,
    consumer::{ClientStream, Incoming, source},
    error_type::Classify,
    semconv,
    server::{Connection, Receiving},
};

pub mod pull;
pub mod push;

/// Pull-based JetStream consumer, instrumented.
pub type PullConsumer = Consumer<pull::Config>;
/// Push-based JetStream consumer, instrumented.
pub type PushConsumer = Consumer<push::Config>;
/// Ordered pull consumer, instrumented: starts again where messages are missing.
pub type OrderedPullConsumer = Consumer<pull::OrderedConfig>;
/// Ordered push consumer, instrumented: starts again where messages are missing.
pub type OrderedPushConsumer = Consumer<push::OrderedConfig>;

/// [`async_nats::jetstream::consumer::Consumer`](bare::Consumer), instrumented.
///
/// Its durable name, or the group that its messages are delivered to, is the consumer group. The
/// subject that it filters by is the template of the messages' subjects, if it has wildcards;
/// operations on messages of several subjects are named after that, or else after the stream. It
/// dereferences to the client's own.
#[derive(Clone)]
pub struct Consumer<T: IntoConsumerConfig> {
    bare: bare::Consumer<T>,
    connection: Connection,
}

wrapper!(Consumer[T: IntoConsumerConfig]: bare::Consumer<T>);

impl<T: IntoConsumerConfig> Consumer<T> {
    /// Wraps a consumer, which then works as the instrumentation of `client` says.
    pub fn wrap(consumer: bare::Consumer<T>, client: &Client) -> Self {
        let Info { stream_name, config, .. } = consumer.cached_info();
        let group = config.deliver_group.as_deref().or(config.durable_name.as_deref());
        let connection =
            client.connection().receiving(&config.filter_subject, group, Some(stream_name));
        Self { bare: consumer, connection }
    }
}

impl<T: IntoConsumerConfig> DerefMut for Consumer<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.bare
    }
}

/// Asks for messages. The first receive span of a request for a number of them begins here.
async fn ask<S, E>(
    connection: &Connection,
    request: impl Future<Output = Result<S, E>>,
) -> Result<Incoming<S>, E>
where
    ClientStream<S>: Source,
    E: Classify,
{
    let operation = <ClientStream<S> as Source>::OPERATION;
    let clock = connection.clock();
    match request.await {
        Ok(stream) => {
            let incoming = Incoming::new(stream, connection.clone());
            Ok(if operation == semconv::FETCH { incoming.since(clock) } else { incoming })
        }
        Err(error) => {
            connection.receive_failed(operation, clock, &error);
            Err(error)
        }
    }
}

/// Makes the client's streams of JetStream messages sources.
macro_rules! sources {
    ($($stream:ty, $error:ty, $operation:expr;)*) => {
        $(source! {
            $stream => Message, $error, $operation;
            |receiving: &Receiving, polled: Poll<Option<Result<_, _>>>| {
                polled.map_ok(|message| Message::new(receiving.extract(message)))
            }
        })*
    };
}

sources! {
    bare::pull::Batch, ::async_nats::Error, semconv::FETCH;
    bare::pull::Stream, pull::MessagesError, semconv::RECEIVE;
    bare::pull::Ordered, pull::OrderedError, semconv::RECEIVE;
    bare::push::Messages, push::MessagesError, semconv::RECEIVE;
    bare::push::Ordered, push::OrderedError, semconv::RECEIVE;
}
