//! The client of core NATS.
//!
//! Mirrors [`async_nats::client`]: the client stands under its own name.

use std::{
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

pub use ::async_nats::client::*;
use ::async_nats::{
    ConnectError, ConnectOptions, HeaderMap, Subject, ToServerAddrs, ToSubject, client as bare,
    client::traits::{Publisher, Requester, TimeoutProvider},
    message::OutboundMessage,
};
use bytes::Bytes;
use futures_sink::Sink;
use otel_messaging_core::{CreationContext, Instrumentation};

use crate::{
    facts::{Connection, Facts},
    failure::{self, Classify as _},
    message::Message,
    outgoing::outbound,
    semconv,
    sending::Sending,
    subscriber::Subscriber,
};

/// [`async_nats::Client`], instrumented: a cheap handle.
///
/// It is made by [`connect`](crate::connect), or by [`Client::connect`] with an instrumentation of
/// your own. An existing client is wrapped with `From` or [`new`](Self::new). It dereferences to
/// the client's own.
#[derive(Clone, Debug)]
pub struct Client {
    client: bare::Client,
    connection: Arc<Connection>,
}

impl Client {
    /// Wraps a client that works as `instrumentation` says.
    pub fn new(client: bare::Client, instrumentation: &Instrumentation) -> Self {
        let connection = Connection::new(&client, instrumentation, Facts::default());
        Self { client, connection }
    }

    /// Connects with these options, and works as `instrumentation` says.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn connect<A: ToServerAddrs>(
        addrs: A,
        options: ConnectOptions,
        instrumentation: &Instrumentation,
    ) -> Result<Self, ConnectError> {
        let first = addrs.to_server_addrs().ok().and_then(|mut addrs| addrs.next());
        let address = first.map(|server| (server.host().to_owned(), server.port()));
        let client = options.connect(addrs).await?;
        let facts = Facts { address, ..Facts::default() };
        let connection = Connection::new(&client, instrumentation, facts);
        Ok(Self { client, connection })
    }

    /// The same client, which writes the names of the propagator's headers as Go writes those of
    /// HTTP: `Traceparent`.
    ///
    /// Names of NATS headers are case-sensitive, and a Go consumer that reads them by
    /// `propagation.HeaderCarrier` finds no other spelling. By default they are written as the
    /// propagator spells them: `traceparent`. They are read in any case.
    #[must_use = "this returns the changed client"]
    pub fn with_canonical_headers(mut self) -> Self {
        self.connection = self.connection.with(|facts| facts.canonical = true);
        self
    }

    /// Publishes a message. The span ends when the client has taken it, as no server answers.
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
    ) -> Result<(), PublishError> {
        self.send(outbound(subject.to_subject(), None, payload), None).await
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
    ) -> Result<(), PublishError> {
        self.send(outbound(subject.to_subject(), Some(headers), payload), None).await
    }

    /// [`publish`](Self::publish) with a subject to reply to.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn publish_with_reply<S: ToSubject, R: ToSubject>(
        &self,
        subject: S,
        reply: R,
        payload: Bytes,
    ) -> Result<(), PublishError> {
        let message = outbound(subject.to_subject(), None, payload);
        self.send_with_reply(message, reply.to_subject()).await
    }

    /// [`publish`](Self::publish) with a subject to reply to and headers.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn publish_with_reply_and_headers<S: ToSubject, R: ToSubject>(
        &self,
        subject: S,
        reply: R,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), PublishError> {
        let message = outbound(subject.to_subject(), Some(headers), payload);
        self.send_with_reply(message, reply.to_subject()).await
    }

    /// [`publish`](Self::publish) for a message that was created in `creation`, which it carries
    /// away instead of the send span's context; the send span links to it (rule R9).
    ///
    /// # Errors
    /// Those of the client.
    pub async fn publish_created(
        &self,
        message: OutboundMessage,
        creation: &CreationContext,
    ) -> Result<(), PublishError> {
        self.send(message, Some(creation)).await
    }

    /// Publishes messages as one batch: a create span for each, and one send span that links to
    /// all of them (rule R7).
    ///
    /// The results are in the order of the messages. Cancel safety: what the client has taken is
    /// sent; the rest is not.
    ///
    /// # Errors
    /// For each message those of the client.
    pub async fn publish_batch(
        &self,
        messages: impl IntoIterator<Item = OutboundMessage>,
    ) -> Vec<Result<(), PublishError>> {
        let mut messages: Vec<_> = messages.into_iter().collect();
        let mut batch = Sending::start(&self.connection, &mut messages);
        let mut results = Vec::with_capacity(messages.len());
        for message in messages {
            let result = self.client.publish_message(message).await;
            match &result {
                Ok(()) => batch.taken(),
                Err(error) => batch.refused(&error.failure()),
            }
            results.push(result);
        }
        results
    }

    async fn send(
        &self,
        mut message: OutboundMessage,
        creation: Option<&CreationContext>,
    ) -> Result<(), PublishError> {
        let operation = self.connection.send(semconv::PUBLISH, &mut message, creation);
        let result = self.client.publish_message(message).await;
        failure::end_refused(operation, &result);
        result
    }

    /// By the one method of the client that checks the subject of the reply.
    async fn send_with_reply(
        &self,
        mut message: OutboundMessage,
        reply: Subject,
    ) -> Result<(), PublishError> {
        let operation = self.connection.send(semconv::PUBLISH, &mut message, None);
        let OutboundMessage { subject, payload, headers, .. } = message;
        let headers = headers.unwrap_or_default();
        let result =
            self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await;
        failure::end_refused(operation, &result);
        result
    }

    /// Sends a request and waits for the reply. Its send span ends with the reply or the failure;
    /// the reply has a receive span, which links to the span that sent it.
    ///
    /// Cancel safety: dropped while it waits, the span ends as `cancelled`.
    ///
    /// # Errors
    /// Those of the client: `error.type` is `NoResponders`, `TimedOut` and so on.
    pub async fn request<S: ToSubject>(
        &self,
        subject: S,
        payload: Bytes,
    ) -> Result<Message, RequestError> {
        self.send_request(subject, Request::new().payload(payload)).await
    }

    /// [`request`](Self::request) with headers.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn request_with_headers<S: ToSubject>(
        &self,
        subject: S,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Message, RequestError> {
        self.send_request(subject, Request::new().headers(headers).payload(payload)).await
    }

    /// [`request`](Self::request) with a timeout or an inbox of its own.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn send_request<S: ToSubject>(
        &self,
        subject: S,
        request: Request,
    ) -> Result<Message, RequestError> {
        self.ask(&self.client, subject.to_subject(), request).await
    }

    /// By this client or a JetStream context, whose timeout is another.
    pub(crate) async fn ask(
        &self,
        requester: &impl Requester,
        subject: Subject,
        mut request: Request,
    ) -> Result<Message, RequestError> {
        let clock = self.connection.endpoint().clock();
        let payload = request.payload.take().unwrap_or_default();
        let mut message = outbound(subject, request.headers.take(), payload);
        let operation = self.connection.send(semconv::REQUEST, &mut message, None);
        request.payload = Some(message.payload);
        request.headers = message.headers;
        let result = requester.send_request(message.subject, request).await;
        match &result {
            Ok(_) => operation.end(),
            Err(error) => match error.kind() {
                RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                    operation.reject(error.failure());
                }
                _ => operation.fail(error.failure()),
            },
        }
        result.map(|reply| self.connection.receive(semconv::RECEIVE, clock, reply).into())
    }

    /// Subscribes to a subject, which is the template of its messages' if it has wildcards.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn subscribe<S: ToSubject>(&self, subject: S) -> Result<Subscriber, SubscribeError> {
        let subject = subject.to_subject();
        let connection = self.connection.receiving(&subject, None, None);
        self.client.subscribe(subject).await.map(|stream| Subscriber::new(stream, connection))
    }

    /// [`subscribe`](Self::subscribe) as a member of a queue group, the consumer group.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn queue_subscribe<S: ToSubject>(
        &self,
        subject: S,
        queue_group: String,
    ) -> Result<Subscriber, SubscribeError> {
        let subject = subject.to_subject();
        let connection = self.connection.receiving(&subject, Some(queue_group.clone()), None);
        let stream = self.client.queue_subscribe(subject, queue_group).await;
        stream.map(|stream| Subscriber::new(stream, connection))
    }

    /// Waits until all that was published is written to the connection: as the client's method of
    /// this name, and unlike that of `SinkExt`, which a [`Sink`] has too.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn flush(&self) -> Result<(), FlushError> {
        self.client.flush().await
    }

    /// The client's own. What is sent and received through it is not instrumented.
    pub const fn get_ref(&self) -> &bare::Client {
        &self.client
    }

    /// The client's own.
    pub fn into_inner(self) -> bare::Client {
        self.client
    }

    #[cfg(any(feature = "jetstream", feature = "service"))]
    pub(crate) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl From<bare::Client> for Client {
    fn from(client: bare::Client) -> Self {
        Self::new(client, &Instrumentation::default())
    }
}

impl Deref for Client {
    type Target = bare::Client;

    fn deref(&self) -> &Self::Target {
        &self.client
    }
}

impl Publisher for Client {
    async fn publish_with_reply<S: ToSubject, R: ToSubject>(
        &self,
        subject: S,
        reply: R,
        payload: Bytes,
    ) -> Result<(), PublishError> {
        Self::publish_with_reply(self, subject, reply, payload).await
    }

    async fn publish_message(&self, message: OutboundMessage) -> Result<(), PublishError> {
        self.send(message, None).await
    }
}

impl Requester for Client {
    async fn send_request<S: ToSubject>(
        &self,
        subject: S,
        request: Request,
    ) -> Result<::async_nats::Message, RequestError> {
        Self::send_request(self, subject, request).await.map(Message::into_inner)
    }
}

impl TimeoutProvider for Client {
    fn timeout(&self) -> Option<Duration> {
        self.client.timeout()
    }
}

impl Sink<OutboundMessage> for Client {
    type Error = PublishError;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), PublishError>> {
        Pin::new(&mut self.client).poll_ready(context)
    }

    fn start_send(
        mut self: Pin<&mut Self>,
        mut message: OutboundMessage,
    ) -> Result<(), PublishError> {
        let operation = self.connection.send(semconv::PUBLISH, &mut message, None);
        let result = Pin::new(&mut self.client).start_send(message);
        failure::end_refused(operation, &result);
        result
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), PublishError>> {
        Pin::new(&mut self.client).poll_flush(context)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), PublishError>> {
        Pin::new(&mut self.client).poll_close(context)
    }
}
