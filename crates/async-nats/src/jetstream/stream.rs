//! Streams, through which consumers are found and stored messages are read.
//!
//! Mirrors [`async_nats::jetstream::stream`].

use std::ops::{Deref, DerefMut};

use ::async_nats::jetstream::stream as bare;
pub use ::async_nats::jetstream::stream::*;

use super::{
    consumer::{Consumer, FromConsumer, IntoConsumerConfig},
    message::StreamMessage,
};
use crate::{Client, failure::Classify as _, semconv};

/// [`async_nats::jetstream::stream::Stream`](bare::Stream), whose consumers are instrumented.
///
/// It dereferences to the client's own.
#[derive(Clone, Debug)]
pub struct Stream<T = Info> {
    stream: bare::Stream<T>,
    client: Client,
}

/// Methods of the client's whose answer is wrapped.
macro_rules! answers {
    ($(
        $(#[$meta:meta])*
        $name:ident[$($generics:tt)*]($($argument:ident: $type:ty),*)
            -> $answer:ident<$of:ty>, $error:ty, [$($bounds:tt)*];
    )*) => {
        $(
            /// The client's method of this name. What it answers is instrumented.
            ///
            /// # Errors
            /// Those of the client.
            $(#[$meta])*
            pub async fn $name<$($generics)*>(
                &self,
                $($argument: $type),*
            ) -> Result<$answer<$of>, $error>
            where
                $($bounds)*
            {
                let answer = self.get_ref().$name($($argument),*).await;
                answer.map(|answer| $answer::new(answer, &self.client))
            }
        )*
    };
}
pub(super) use answers;

/// Methods of the client's that read a stored message.
macro_rules! reads {
    ($($name:ident[$($generics:tt)*]($($argument:ident: $type:ty),*), $error:ty;)*) => {
        $(
            /// Reads a stored message, with a receive span that links to the one that wrote it.
            ///
            /// # Errors
            /// Those of the client, each with a failed receive span.
            pub async fn $name<$($generics)*>(
                &self,
                $($argument: $type),*
            ) -> Result<StreamMessage, $error> {
                let connection = self.client.connection();
                let clock = connection.endpoint().clock();
                let result = self.stream.$name($($argument),*).await;
                if let Err(error) = &result {
                    let endpoint = connection.endpoint();
                    endpoint.receive_failed(semconv::GET, clock, None, error.failure());
                }
                result.map(|message| connection.receive(semconv::GET, clock, message).into())
            }
        )*
    };
}

impl<T> Stream<T> {
    /// Wraps a stream that works as the instrumentation of `client` says.
    pub fn new(stream: bare::Stream<T>, client: &Client) -> Self {
        Self { stream, client: client.clone() }
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

    /// The client's own stream. What is read through it is not instrumented.
    pub const fn get_ref(&self) -> &bare::Stream<T> {
        &self.stream
    }

    /// The client's own stream.
    pub fn into_inner(self) -> bare::Stream<T> {
        self.stream
    }
}

impl<T> Deref for Stream<T> {
    type Target = bare::Stream<T>;

    fn deref(&self) -> &Self::Target {
        &self.stream
    }
}

impl<T> DerefMut for Stream<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.stream
    }
}
