//! Where messages are published to streams, and streams are found.
//!
//! Mirrors [`async_nats::jetstream::context`].

use std::{
    future::poll_fn,
    ops::{Deref, DerefMut},
    pin::pin,
    task::Poll,
    time::Duration,
};

pub use ::async_nats::jetstream::context::*;
#[cfg(feature = "server_2_10")]
use ::async_nats::jetstream::stream::{ConsumerCreateStrictError, ConsumerUpdateError};
use ::async_nats::{
    HeaderMap, Request, ToSubject, client,
    jetstream::{
        context as bare,
        context::traits::Publisher as _,
        message::PublishMessage,
        publish::PublishAck,
        stream::{Config, ConsumerError, Info},
    },
    message::OutboundMessage,
};
use bytes::Bytes;
use otel_messaging_core::CreationContext;

pub use super::answer::PublishAckFuture;
use super::{
    answer::Answers,
    consumer::{Consumer, FromConsumer, IntoConsumerConfig},
    message::OutboundMessage as StreamOutboundMessage,
    stream::{Stream, answers},
};
use crate::{Client, failure::Classify as _, semconv};

/// [`async_nats::jetstream::Context`], instrumented.
///
/// It is made by [`jetstream::new`](super::new) and its sisters; one that was built otherwise is
/// wrapped with [`new`](Self::new). It dereferences to the client's own.
#[derive(Clone, Debug)]
pub struct Context {
    context: bare::Context,
    client: Client,
}

impl Context {
    /// Wraps a context that works as the instrumentation of `client` says.
    pub fn new(context: bare::Context, client: &Client) -> Self {
        Self { context, client: client.clone() }
    }

    /// Publishes a message. Its span ends with the stream's acknowledgement, which the result
    /// waits for.
    ///
    /// Nothing happens before the first poll. Cancel safety: dropped before the client took the
    /// message, it is not sent, and the span ends as `cancelled`.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn publish<S: ToSubject>(
        &self,
        subject: S,
        payload: Bytes,
    ) -> Result<PublishAckFuture, PublishError> {
        self.send_publish(subject, PublishMessage::build().payload(payload)).await
    }

    /// [`publish`](Self::publish) with headers.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn publish_with_headers<S: ToSubject>(
        &self,
        subject: S,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<PublishAckFuture, PublishError> {
        self.send_publish(subject, PublishMessage::build().payload(payload).headers(headers)).await
    }

    /// [`publish`](Self::publish) with JetStream's own headers.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn send_publish<S: ToSubject>(
        &self,
        subject: S,
        publish: PublishMessage,
    ) -> Result<PublishAckFuture, PublishError> {
        self.send(publish.outbound_message(subject).into(), None).await
    }

    /// [`publish`](Self::publish) for a message that was created in `creation`, which it carries
    /// away instead of the send span's context; the send span links to it (rule R9).
    ///
    /// # Errors
    /// Those of the client.
    pub async fn publish_created(
        &self,
        message: StreamOutboundMessage,
        creation: &CreationContext,
    ) -> Result<PublishAckFuture, PublishError> {
        self.send(message.into(), Some(creation)).await
    }

    /// Publishes messages as one batch: a create span for each, and one send span that links to
    /// all of them and ends with the last acknowledgement (rule R7).
    ///
    /// The results are in the order of the messages. Cancel safety: what the client has taken is
    /// sent; the rest is not.
    ///
    /// # Errors
    /// For each message those of the client.
    pub async fn publish_batch(
        &self,
        messages: impl IntoIterator<Item = StreamOutboundMessage>,
    ) -> Vec<Result<PublishAck, PublishError>> {
        let mut messages: Vec<OutboundMessage> = messages.into_iter().map(Into::into).collect();
        let mut answers = Answers::to(&mut messages, self.client.connection());
        for message in messages {
            let mut publish = pin!(self.context.publish_message(stored(message)));
            poll_fn(|context| {
                if let Poll::Ready(taken) = publish.as_mut().poll(context) {
                    answers.expect(taken, context);
                    return Poll::Ready(());
                }
                // The client may have no room before others are answered.
                let _ = answers.poll(context);
                Poll::Pending
            })
            .await;
        }
        poll_fn(|context| answers.poll(context)).await;
        answers.into_results()
    }

    /// The client that it was made with.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The client's own context. What is published through it is not instrumented.
    pub const fn get_ref(&self) -> &bare::Context {
        &self.context
    }

    /// The client's own context.
    pub fn into_inner(self) -> bare::Context {
        self.context
    }

    answers! {
        create_stream[S](config: S) -> Stream<Info>, CreateStreamError, [Config: From<S>];
        get_stream[T: AsRef<str>](stream: T) -> Stream<Info>, GetStreamError, [];
        get_stream_no_info[T: AsRef<str>](stream: T) -> Stream<()>, GetStreamError, [];
        get_or_create_stream[S](config: S) -> Stream<Info>, CreateStreamError, [S: Into<Config>];
        get_consumer_from_stream[
            T: FromConsumer + IntoConsumerConfig, C: AsRef<str>, S: AsRef<str>
        ](consumer: C, stream: S) -> Consumer<T>, ConsumerError, [];
        create_consumer_on_stream[C: IntoConsumerConfig + FromConsumer, S: AsRef<str>](
            config: C, stream: S
        ) -> Consumer<C>, ConsumerError, [];
        #[cfg(feature = "server_2_10")]
        update_consumer_on_stream[C: IntoConsumerConfig + FromConsumer, S: AsRef<str>](
            config: C, stream: S
        ) -> Consumer<C>, ConsumerUpdateError, [];
        #[cfg(feature = "server_2_10")]
        create_consumer_strict_on_stream[C: IntoConsumerConfig + FromConsumer, S: AsRef<str>](
            config: C, stream: S
        ) -> Consumer<C>, ConsumerCreateStrictError, [];
    }

    async fn send(
        &self,
        mut message: OutboundMessage,
        creation: Option<&CreationContext>,
    ) -> Result<PublishAckFuture, PublishError> {
        let connection = self.client.connection();
        let mut operation = connection.send(semconv::PUBLISH, &mut message, creation);
        match self.context.publish_message(stored(message)).await {
            Ok(answer) => {
                operation.handed_over();
                Ok(PublishAckFuture { answer, operation })
            }
            Err(error) => {
                operation.reject(error.failure());
                Err(error)
            }
        }
    }
}

fn stored(message: OutboundMessage) -> StreamOutboundMessage {
    StreamOutboundMessage::new(message.subject, message.payload, message.headers)
}

impl Deref for Context {
    type Target = bare::Context;

    fn deref(&self) -> &Self::Target {
        &self.context
    }
}

/// For the client's options, which are set on an existing context.
impl DerefMut for Context {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.context
    }
}

impl client::traits::Publisher for Context {
    async fn publish_with_reply<S: ToSubject, R: ToSubject>(
        &self,
        subject: S,
        reply: R,
        payload: Bytes,
    ) -> Result<(), client::PublishError> {
        self.client.publish_with_reply(subject, reply, payload).await
    }

    async fn publish_message(&self, message: OutboundMessage) -> Result<(), client::PublishError> {
        client::traits::Publisher::publish_message(&self.client, message).await
    }
}

impl client::traits::Requester for Context {
    async fn send_request<S: ToSubject>(
        &self,
        subject: S,
        request: Request,
    ) -> Result<::async_nats::Message, client::RequestError> {
        let reply = self.client.ask(&self.context, subject.to_subject(), request).await;
        reply.map(crate::Message::into_inner)
    }
}

impl traits::TimeoutProvider for Context {
    fn timeout(&self) -> Duration {
        traits::TimeoutProvider::timeout(&self.context)
    }
}
