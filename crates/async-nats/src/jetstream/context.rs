//! Publishes to streams and finds them.
//!
//! Mirrors [`async_nats::jetstream::context`].

use std::{future::poll_fn, ops::DerefMut, pin::pin, time::Duration};

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
use otel_messaging_core::{
    ActiveOperation, CreationContext,
    client::{Call, wrapper},
};

pub use super::answer::{Answer, PublishAckFuture};
use super::{
    answer::Answers,
    consumer::{Consumer, FromConsumer, IntoConsumerConfig},
    message::OutboundMessage as StreamOutboundMessage,
    stream::{Stream, answers},
};
use crate::{Client, outgoing::reject, semconv};

/// [`async_nats::jetstream::Context`], instrumented.
///
/// [`jetstream::new`](super::new) makes one; [`wrap`](Self::wrap) wraps one that was built
/// otherwise. It dereferences to the client's own.
#[derive(Clone)]
pub struct Context {
    bare: bare::Context,
    client: Client,
}

wrapper!(Context: bare::Context);

impl Context {
    /// Wraps a context, which then works as the instrumentation of `client` says.
    pub fn wrap(context: bare::Context, client: &Client) -> Self {
        Self { bare: context, client: client.clone() }
    }

    /// Publishes a message. The result waits for the stream's acknowledgement, which ends the span.
    ///
    /// Nothing happens before the first poll. Cancel safety: dropped before the client took the
    /// message, it is not sent, and the span ends as `cancelled`.
    ///
    /// # Errors
    /// Returns the client's error unchanged; the message does not count as sent.
    pub fn publish<S: ToSubject>(
        &self,
        subject: S,
        payload: Bytes,
    ) -> impl Future<Output = Result<PublishAckFuture, PublishError>> {
        self.send_publish(subject, PublishMessage::build().payload(payload))
    }

    /// Publishes a message with headers.
    ///
    /// Errors and cancel safety: as [`publish`](Self::publish).
    pub fn publish_with_headers<S: ToSubject>(
        &self,
        subject: S,
        headers: HeaderMap,
        payload: Bytes,
    ) -> impl Future<Output = Result<PublishAckFuture, PublishError>> {
        self.send_publish(subject, PublishMessage::build().payload(payload).headers(headers))
    }

    /// Publishes a message with JetStream's own headers.
    ///
    /// Errors and cancel safety: as [`publish`](Self::publish).
    pub fn send_publish<S: ToSubject>(
        &self,
        subject: S,
        publish: PublishMessage,
    ) -> impl Future<Output = Result<PublishAckFuture, PublishError>> {
        self.send(|| publish.outbound_message(subject), None)
    }

    /// Publishes a message that was created in `creation`: it carries that context instead of the
    /// send span's, and the send span links to it.
    ///
    /// Errors and cancel safety: as [`publish`](Self::publish).
    pub fn publish_with_context(
        &self,
        message: StreamOutboundMessage,
        creation: &CreationContext,
    ) -> impl Future<Output = Result<PublishAckFuture, PublishError>> {
        self.send(|| message, Some(creation))
    }

    /// Publishes messages as one batch: a create span for each, and one send span that links to
    /// all of them and ends with the last acknowledgement. The results are in the order of the
    /// messages.
    ///
    /// Cancel safety: what the client has taken is sent. The rest is not sent, and fails as
    /// `cancelled`.
    ///
    /// # Errors
    /// Returns the client's error for each message that it refused or that was not acknowledged.
    pub async fn publish_batch(
        &self,
        messages: impl IntoIterator<Item = StreamOutboundMessage>,
    ) -> Vec<Result<PublishAck, PublishError>> {
        let connection = self.client.connection();
        let outgoing = |message: StreamOutboundMessage| connection.outgoing(message.into());
        let messages = messages.into_iter().map(outgoing).collect();
        let mut answers = Answers::default();
        for (message, operation) in connection.send_batch(semconv::PUBLISH, messages) {
            let mut handing_over = pin!(Call::new(|| self.hand_over(message, operation)));
            let taken = poll_fn(|context| {
                // The client may have no room before earlier messages are answered.
                let _ = answers.poll(context);
                handing_over.as_mut().poll(context)
            });
            let taken = taken.await;
            answers.push(taken);
        }
        poll_fn(|context| answers.poll(context)).await;
        answers.into_results()
    }

    fn send(
        &self,
        message: impl FnOnce() -> StreamOutboundMessage,
        creation: Option<&CreationContext>,
    ) -> impl Future<Output = Result<PublishAckFuture, PublishError>> {
        Call::new(move || {
            let mut message = message().into();
            let connection = self.client.connection();
            let operation = connection.send(semconv::PUBLISH, &mut message, creation);
            self.hand_over(message, operation)
        })
    }

    /// Returns the client's future of a message, and what is done with its result.
    ///
    /// Inlined, so that the future is not moved out of the tuple.
    #[inline]
    fn hand_over(
        &self,
        message: OutboundMessage,
        operation: ActiveOperation,
    ) -> (
        impl Future<Output = Result<bare::PublishAckFuture, PublishError>>,
        impl FnOnce(
            Result<bare::PublishAckFuture, PublishError>,
        ) -> Result<PublishAckFuture, PublishError>,
    ) {
        let OutboundMessage { subject, payload, headers, .. } = message;
        let message = StreamOutboundMessage::new(subject, payload, headers);
        let taken = move |result| match result {
            Ok(answer) => Ok(PublishAckFuture::new(answer, operation)),
            Err(error) => {
                reject(operation, &error);
                Err(error)
            }
        };
        (self.bare.publish_message(message), taken)
    }

    /// Returns the client that the context was made with.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Does as the client's method of this name. What it returns is instrumented.
    ///
    /// Cancel safety: may be dropped and called again.
    ///
    /// # Errors
    /// Returns the client's error unchanged.
    pub async fn get_stream_no_info<T: AsRef<str>>(
        &self,
        stream: T,
    ) -> Result<Stream<()>, GetStreamError> {
        let found = self.bare.get_stream_no_info(stream.as_ref()).await;
        found.map(|found| Stream::wrap_named(found, stream.as_ref(), &self.client))
    }

    answers! {
        create_stream[S](config: S) -> Stream<Info>, CreateStreamError, [Config: From<S>];
        get_stream[T: AsRef<str>](stream: T) -> Stream<Info>, GetStreamError, [];
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
}

/// Gives access to the client's options, which are set on an existing context.
impl DerefMut for Context {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.bare
    }
}

/// Wraps a context, with the default instrumentation.
impl From<bare::Context> for Context {
    fn from(context: bare::Context) -> Self {
        let client = context.client().into();
        Self { bare: context, client }
    }
}

impl client::traits::Publisher for Context {
    fn publish_with_reply<S: ToSubject, R: ToSubject>(
        &self,
        subject: S,
        reply: R,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), client::PublishError>> {
        self.client.publish_with_reply(subject, reply, payload)
    }

    fn publish_message(
        &self,
        message: OutboundMessage,
    ) -> impl Future<Output = Result<(), client::PublishError>> {
        client::traits::Publisher::publish_message(&self.client, message)
    }
}

impl client::traits::Requester for Context {
    async fn send_request<S: ToSubject>(
        &self,
        subject: S,
        request: Request,
    ) -> Result<::async_nats::Message, client::RequestError> {
        let reply = self.client.ask(&self.bare, subject, request).await;
        reply.map(crate::Message::into_inner)
    }
}

impl traits::TimeoutProvider for Context {
    fn timeout(&self) -> Duration {
        traits::TimeoutProvider::timeout(&self.bare)
    }
}
