//! The client of core NATS.
//!
//! Mirrors [`async_nats::client`]: [`Client`] has the client's name.

mod client_traits;

pub use ::async_nats::client::*;
use ::async_nats::{
    ConnectError, ConnectOptions, HeaderMap, Subject, ToServerAddrs, ToSubject, client as bare,
    client::traits::Publisher as _, message::OutboundMessage,
};
use bytes::Bytes;
use otel_messaging_core::{
    CreationContext, Instrumentation,
    client::{Call, wrapper},
};

use crate::{
    message::Message,
    outgoing::{end_taken, outbound},
    semconv,
    server::{self, Connection},
    subscriber::Subscriber,
};

/// [`async_nats::Client`], instrumented: a cheap handle.
///
/// [`connect`](crate::connect) makes one, and [`Client::connect`] makes one with an instrumentation
/// of your own. `From` and [`wrap`](Self::wrap) wrap an existing client. It dereferences to the
/// client's own.
#[derive(Clone)]
pub struct Client {
    bare: bare::Client,
    connection: Connection,
}

wrapper!(Client: bare::Client);

impl Client {
    /// Wraps a client, which then works as `instrumentation` says.
    pub fn wrap(client: bare::Client, instrumentation: &Instrumentation) -> Self {
        let connection = Connection::new(&client, instrumentation, None);
        Self { bare: client, connection }
    }

    /// Connects with these options, and works as `instrumentation` says.
    ///
    /// Cancel safety: dropped before it is connected, there is no client.
    ///
    /// # Errors
    /// Returns the client's error unchanged.
    pub async fn connect<A: ToServerAddrs>(
        addrs: A,
        options: ConnectOptions,
        instrumentation: &Instrumentation,
    ) -> Result<Self, ConnectError> {
        let first = || addrs.to_server_addrs().ok()?.next();
        let named = server::is_enabled(instrumentation).then(first).flatten();
        let address = named.map(|server| (server.host().to_owned(), server.port()));
        let client = options.connect(addrs).await?;
        let connection = Connection::new(&client, instrumentation, address);
        Ok(Self { bare: client, connection })
    }

    /// Returns the same client, which writes the names of the propagator's headers as Go writes
    /// those of HTTP: `Traceparent`.
    ///
    /// Names of NATS headers are case-sensitive, and a Go consumer that reads them by
    /// `propagation.HeaderCarrier` finds no other spelling. By default they are written as the
    /// propagator spells them: `traceparent`. They are read in any case.
    #[must_use = "this returns the changed client"]
    pub fn with_canonical_headers(mut self) -> Self {
        self.connection = self.connection.with_canonical_headers();
        self
    }

    /// Publishes a message. The span ends when the client has taken the message, as no server
    /// answers.
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
    ) -> impl Future<Output = Result<(), PublishError>> {
        self.send(subject, None, payload)
    }

    /// Publishes a message with headers.
    ///
    /// Errors and cancel safety: as [`publish`](Self::publish).
    pub fn publish_with_headers<S: ToSubject>(
        &self,
        subject: S,
        headers: HeaderMap,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), PublishError>> {
        self.send(subject, Some(headers), payload)
    }

    /// Publishes a message with a subject to reply to.
    ///
    /// Errors and cancel safety: as [`publish`](Self::publish).
    pub fn publish_with_reply<S: ToSubject, R: ToSubject>(
        &self,
        subject: S,
        reply: R,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), PublishError>> {
        self.send_with_reply(subject, reply, None, payload)
    }

    /// Publishes a message with a subject to reply to and headers.
    ///
    /// Errors and cancel safety: as [`publish`](Self::publish).
    pub fn publish_with_reply_and_headers<S: ToSubject, R: ToSubject>(
        &self,
        subject: S,
        reply: R,
        headers: HeaderMap,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), PublishError>> {
        self.send_with_reply(subject, reply, Some(headers), payload)
    }

    /// Publishes a message that was created in `creation`: it carries that context instead of the
    /// send span's, and the send span links to it.
    ///
    /// Errors and cancel safety: as [`publish`](Self::publish).
    pub fn publish_with_context(
        &self,
        message: OutboundMessage,
        creation: &CreationContext,
    ) -> impl Future<Output = Result<(), PublishError>> {
        self.send_message(message, Some(creation))
    }

    /// Publishes messages as one batch: a create span for each, and one send span that links to
    /// all of them. The results are in the order of the messages.
    ///
    /// Cancel safety: what the client has taken is sent. The rest is not sent, and fails as
    /// `cancelled`.
    ///
    /// # Errors
    /// Returns the client's error for each message that it refused; that does not count as sent.
    pub async fn publish_batch(
        &self,
        messages: impl IntoIterator<Item = OutboundMessage>,
    ) -> Vec<Result<(), PublishError>> {
        let connection = &self.connection;
        let messages: Vec<_> = messages.into_iter().map(|one| connection.outgoing(one)).collect();
        let mut results = Vec::with_capacity(messages.len());
        for (message, operation) in connection.send_batch(semconv::PUBLISH, messages) {
            results.push(end_taken(operation, self.bare.publish_message(message).await));
        }
        results
    }

    /// Publishes a message with headers but no reply by the method of the client with the smallest
    /// future that takes them.
    fn send(
        &self,
        subject: impl ToSubject,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), PublishError>> {
        self.send_parts(subject, headers, payload, |subject, headers, payload| {
            self.bare.publish_with_headers(subject, headers, payload)
        })
    }

    /// Publishes by the one method of the client that checks the subject of the reply.
    fn send_with_reply(
        &self,
        subject: impl ToSubject,
        reply: impl ToSubject,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), PublishError>> {
        self.send_parts(subject, headers, payload, move |subject, headers, payload| {
            let reply = reply.to_subject();
            self.bare.publish_with_reply_and_headers(subject, reply, headers, payload)
        })
    }

    /// Publishes a message by a method of the client that takes its parts.
    fn send_parts<F: Future<Output = Result<(), PublishError>>>(
        &self,
        subject: impl ToSubject,
        headers: Option<HeaderMap>,
        payload: Bytes,
        publish: impl FnOnce(Subject, HeaderMap, Bytes) -> F,
    ) -> impl Future<Output = F::Output> {
        let message = move || outbound(subject.to_subject(), headers, payload);
        self.send_by(message, None, |message| {
            publish(message.subject, message.headers.unwrap_or_default(), message.payload)
        })
    }

    /// Publishes a message as it is.
    fn send_message(
        &self,
        message: OutboundMessage,
        creation: Option<&CreationContext>,
    ) -> impl Future<Output = Result<(), PublishError>> {
        self.send_by(|| message, creation, |message| self.bare.publish_message(message))
    }

    /// Makes a message at the first poll, and publishes it by one of the client's methods.
    fn send_by<F: Future<Output = Result<(), PublishError>>>(
        &self,
        message: impl FnOnce() -> OutboundMessage,
        creation: Option<&CreationContext>,
        publish: impl FnOnce(OutboundMessage) -> F,
    ) -> impl Future<Output = F::Output> {
        Call::new(move || {
            let mut message = message();
            let operation = self.connection.send(semconv::PUBLISH, &mut message, creation);
            (publish(message), move |result| end_taken(operation, result))
        })
    }

    /// Sends a request and waits for the reply. The send span ends with the reply or the failure;
    /// the reply has a receive span, which links to the span that sent it.
    ///
    /// Cancel safety: dropped while it waits for the reply, the request is sent; it counts as such,
    /// and its span ends without an error. Dropped before the client took it, the span ends as
    /// `cancelled`.
    ///
    /// # Errors
    /// Returns the client's error unchanged: `error.type` is `NoResponders`, `TimedOut` and so on.
    /// A request that the client refused does not count as sent.
    pub fn request<S: ToSubject>(
        &self,
        subject: S,
        payload: Bytes,
    ) -> impl Future<Output = Result<Message, RequestError>> {
        self.send_request(subject, Request::new().payload(payload))
    }

    /// Sends a request with headers.
    ///
    /// Errors and cancel safety: as [`request`](Self::request).
    pub fn request_with_headers<S: ToSubject>(
        &self,
        subject: S,
        headers: HeaderMap,
        payload: Bytes,
    ) -> impl Future<Output = Result<Message, RequestError>> {
        self.send_request(subject, Request::new().headers(headers).payload(payload))
    }

    /// Sends a request with a timeout or an inbox of its own.
    ///
    /// Errors and cancel safety: as [`request`](Self::request).
    pub fn send_request<S: ToSubject>(
        &self,
        subject: S,
        request: Request,
    ) -> impl Future<Output = Result<Message, RequestError>> {
        self.ask(&self.bare, subject, request)
    }

    /// Subscribes to a subject. If it has wildcards, it is the template of its messages' subjects.
    ///
    /// Cancel safety: dropped before the end, there is no subscription.
    ///
    /// # Errors
    /// Returns the client's error unchanged.
    pub async fn subscribe<S: ToSubject>(&self, subject: S) -> Result<Subscriber, SubscribeError> {
        let subject = subject.to_subject();
        let connection = self.connection.receiving(&subject, None, None);
        self.bare.subscribe(subject).await.map(|stream| Subscriber::new(stream, connection))
    }

    /// Subscribes as a member of a queue group, which is the consumer group.
    ///
    /// Errors and cancel safety: as [`subscribe`](Self::subscribe).
    pub async fn queue_subscribe<S: ToSubject>(
        &self,
        subject: S,
        queue_group: String,
    ) -> Result<Subscriber, SubscribeError> {
        let subject = subject.to_subject();
        let connection = self.connection.receiving(&subject, Some(&queue_group), None);
        let stream = self.bare.queue_subscribe(subject, queue_group).await;
        stream.map(|stream| Subscriber::new(stream, connection))
    }

    /// Waits until all that was published is written to the connection, as the client's method of
    /// this name does. It hides `SinkExt::flush`, which only waits for room.
    ///
    /// Cancel safety: may be dropped and called again.
    ///
    /// # Errors
    /// Returns the client's error unchanged.
    pub async fn flush(&self) -> Result<(), FlushError> {
        self.bare.flush().await
    }

    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Wraps a client, with the default instrumentation.
impl From<bare::Client> for Client {
    fn from(client: bare::Client) -> Self {
        Self::wrap(client, &Instrumentation::default())
    }
}
