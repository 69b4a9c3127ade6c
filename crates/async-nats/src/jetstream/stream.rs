//! Streams: finds their consumers and reads their messages.
//!
//! Mirrors [`async_nats::jetstream::stream`].

use std::ops::DerefMut;

use ::async_nats::jetstream::stream as bare;
pub use ::async_nats::jetstream::stream::*;
use otel_messaging_core::client::wrapper;

use super::{
    consumer::{Consumer, FromConsumer, IntoConsumerConfig},
    message::StreamMessage,
};
use crate::{Client, semconv, server::Connection};

/// [`async_nats::jetstream::stream::Stream`](bare::Stream), whose consumers are instrumented.
///
/// It dereferences to the client's own.
#[derive(Clone)]
pub struct Stream<T = Info> {
    bare: bare::Stream<T>,
    client: Client,
    /// As this stream uses it.
    connection: Connection,
}

wrapper!(Stream[T]: bare::Stream<T>);

/// Defines methods of the client's whose answer is wrapped.
macro_rules! answers {
    ($(
        $(#[$meta:meta])*
        $name:ident[$($generics:tt)*]($($argument:ident: $type:ty),*)
            -> $answer:ident<$of:ty>, $error:ty, [$($bounds:tt)*];
    )*) => {
        $(
            /// Does as the client's method of this name. What it returns is instrumented.
            ///
            /// Cancel safety: dropped while it waits, the server may have done it.
            ///
            /// # Errors
            /// Returns the client's error unchanged.
            $(#[$meta])*
            pub async fn $name<$($generics)*>(
                &self,
                $($argument: $type),*
            ) -> Result<$answer<$of>, $error>
            where
                $($bounds)*
            {
                let answer = self.get_ref().$name($($argument),*).await;
                answer.map(|answer| $answer::wrap(answer, &self.client))
            }
        )*
    };
}
pub(super) use answers;

/// Defines methods of the client's that read a stored message.
macro_rules! reads {
    ($($name:ident[$($generics:tt)*]($($argument:ident: $type:ty),*), $error:ty;)*) => {
        $(
            /// Reads a stored message, with a receive span that links to the span which wrote it.
            ///
            /// Cancel safety: dropped while it waits, there is no message and no span.
            ///
            /// # Errors
            /// Returns the client's error unchanged, with a failed receive span.
            pub async fn $name<$($generics)*>(
                &self,
                $($argument: $type),*
            ) -> Result<StreamMessage, $error> {
                let connection = &self.connection;
                let clock = connection.clock();
                match self.bare.$name($($argument),*).await {
                    Ok(message) => {
                        Ok(StreamMessage::new(connection.receive(semconv::GET, clock, message)))
                    }
                    Err(error) => {
                        connection.receive_failed(semconv::GET, clock, &error);
                        Err(error)
                    }
                }
            }
        )*
    };
}

impl Stream {
    /// Wraps a stream, which then works as the instrumentation of `client` says.
    pub fn wrap(stream: bare::Stream, client: &Client) -> Self {
        let connection = client.connection();
        let connection = connection.receiving("", None, Some(&stream.cached_info().config.name));
        Self { bare: stream, client: client.clone(), connection }
    }
}

impl<T> Stream<T> {
    /// Wraps a stream that does not know its name; see [`wrap`](Stream::wrap).
    pub fn wrap_named(stream: bare::Stream<T>, name: &str, client: &Client) -> Self {
        let connection = client.connection().receiving("", None, Some(name));
        Self { bare: stream, client: client.clone(), connection }
    }

    answers! {
        create_consumer[C: IntoConsumerConfig + FromConsumer](config: C)
            -> Consumer<C>, ConsumerError, [];
        #[cfg(feature = "server_2_10")]
        update_consumer[C: IntoConsumerConfig + FromConsumer](config: C)
            -> Consumer<C>, ConsumerUpdateError, [];
        #[cfg(feature = "server_2_10")]
        create_consumer_strict[C: IntoConsumerConfig + FromConsumer](config: C)
            -> Consumer<C>, ConsumerCreateStrictError, [];
        get_consumer[C: FromConsumer + IntoConsumerConfig](name: &str)
            -> Consumer<C>, ::async_nats::Error, [];
        get_or_create_consumer[C: FromConsumer + IntoConsumerConfig](name: &str, config: C)
            -> Consumer<C>, ConsumerError, [];
    }

    reads! {
        direct_get[](sequence: u64), DirectGetError;
        direct_get_last_for_subject[S: Into<String>](subject: S), DirectGetError;
        direct_get_first_for_subject[S: Into<String>](subject: S), DirectGetError;
        direct_get_next_for_subject[S: Into<String>](subject: S, sequence: Option<u64>),
            DirectGetError;
        get_raw_message[](sequence: u64), RawMessageError;
        get_first_raw_message_by_subject[S: AsRef<str>](subject: S, sequence: u64),
            LastRawMessageError;
        get_next_raw_message_by_subject[S: AsRef<str>](subject: S), LastRawMessageError;
        get_last_raw_message_by_subject[](subject: &str), LastRawMessageError;
    }
}

impl<T> DerefMut for Stream<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.bare
    }
}
