//! Defines what the suite does with a broker, and what it needs to know about its client.

use std::{borrow::Cow, future::Future};

use opentelemetry::InstrumentationScope;
use otel_messaging_core::{
    AsReceived, Batch, CreationContext, Instrumentation, Operation, OperationType, System, semconv,
};

use crate::attributes::ExpectedValue;

/// Runs an instrumented producer and an instrumented consumer on a broker, for the rules.
///
/// The constants and the synchronous functions declare what the system can do, and what the
/// telemetry of this client looks like. Where a capability is missing, the rules assert that its
/// telemetry is absent.
///
/// Each test starts its own broker and chooses the names of destinations, such as `orders`. Where
/// tests share a broker, [`destination`](Self::destination) maps them to the real names.
pub trait Broker: Sized + Send + Sync + 'static {
    /// The client crate's own type of received messages.
    type Message<'a>: AsReceived<Message: Send + Sync> + Send + Sync
    where
        Self: 'a;

    /// The system, from the client crate's `semconv` module.
    const SYSTEM: System;
    /// The operation of [`send`](Self::send).
    const SEND: Operation;
    /// The operation of [`receive`](Self::receive).
    const RECEIVE: Operation;
    /// The operation of [`settle`](Self::settle). `None` if the system has no settlement.
    const SETTLE: Option<Operation>;
    /// The header values that are supported besides text.
    const HEADERS: Headers;
    /// Whether the client knows the envelope size of the messages that it sends.
    const ENVELOPE_SIZE: bool;
    /// Whether destinations have partitions. [`Outgoing::partition`] selects one.
    const PARTITIONS: bool;
    /// Whether a send span ends with the broker's answer even if the caller drops the future of
    /// the send. If `false`, the span ends when that future is dropped, without an answer.
    const ANSWERS_AFTER_DROP: bool;
    /// The name of a temporary destination. `None` if the system has none.
    const TEMPORARY: Option<&'static str>;
    /// The name of an anonymous destination. `None` if the system has none.
    const ANONYMOUS: Option<&'static str>;

    /// Returns the key of the numeric attribute that differs between messages, such as an offset.
    /// Returns `None` if spans of this operation type have none. For sends, the value comes with
    /// the broker's answer.
    fn position(operation: OperationType) -> Option<&'static str>;

    /// Returns further attributes that each message adds to spans of this operation type, such as
    /// a routing key. A batch has them only if they are equal for all of its messages.
    fn message_attributes(operation: OperationType) -> Vec<(&'static str, ExpectedValue)> {
        let _ = operation;
        Vec::new()
    }

    /// Returns the attributes that the broker's answer adds to the span of a single send, besides
    /// the position.
    fn answer(&self) -> Vec<(&'static str, ExpectedValue)> {
        Vec::new()
    }

    /// Starts the broker, a producer and a consumer, both with `instrumentation`. The consumer
    /// receives from all [`Setup::destinations`], starting with their first message.
    fn start(
        setup: Setup<'_>,
        instrumentation: &Instrumentation,
    ) -> impl Future<Output = Self> + Send;

    /// Returns the name that spans and metrics of `operation` have for the destination `name` of a
    /// test.
    fn destination(&self, operation: OperationType, name: &str) -> String {
        let _ = operation;
        name.to_owned()
    }

    /// Returns the attributes of the client that performs `operation`.
    fn client(&self, operation: OperationType) -> Client;

    /// Returns the destination that operations of this type on messages of several destinations are
    /// named after, such as a stream. By default, they are named after the server.
    fn fallback_destination(&self, operation: OperationType) -> Option<String> {
        let _ = operation;
        None
    }

    /// Sends a message with the instrumented producer, and waits for the broker's answer if there
    /// is one. Does nothing before the first poll.
    ///
    /// # Errors
    ///
    /// Returns the message as the client returns it.
    fn send(&self, message: Outgoing) -> impl Future<Output = Result<Place, Outgoing>> + Send;

    /// Sends a message with `creation` as its creation context.
    ///
    /// # Errors
    ///
    /// Returns the message as the client returns it.
    fn send_with_context(
        &self,
        message: Outgoing,
        creation: &CreationContext,
    ) -> impl Future<Output = Result<Place, Outgoing>> + Send;

    /// Hands a message to the client, and drops the future that waits for the broker's answer.
    fn send_and_forget(&self, message: Outgoing) -> impl Future<Output = ()> + Send;

    /// Sends messages as one batch. Returns their results in the order of the messages.
    fn send_batch(
        &self,
        messages: Vec<Outgoing>,
    ) -> impl Future<Output = Vec<Result<Place, Outgoing>>> + Send;

    /// Sends messages with a producer that is not instrumented, and adds no headers.
    fn send_foreign(&self, messages: Vec<Outgoing>) -> impl Future<Output = ()> + Send;

    /// Waits for a message and receives it with the instrumented consumer. Does nothing before the
    /// first poll.
    ///
    /// Cancel safety: tests drop this future while it waits; no message may be lost.
    ///
    /// # Errors
    ///
    /// Returns the failure of [`Fault::Receive`].
    fn receive(&self) -> impl Future<Output = Result<Self::Message<'_>, Failing>> + Send;

    /// Waits for exactly `count` messages and receives them as one batch.
    ///
    /// Cancel safety: tests drop this future while it waits; no message may be lost.
    ///
    /// # Errors
    ///
    /// Returns the failure of [`Fault::Receive`].
    fn receive_batch(
        &self,
        count: usize,
    ) -> impl Future<Output = Result<Batch<Self::Message<'_>>, Failing>> + Send;

    /// Polls for a message where there is none, and returns at once. Does nothing if the client
    /// has no such call.
    fn receive_nothing(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Settles a message. Does nothing if [`SETTLE`](Self::SETTLE) is `None`.
    ///
    /// # Errors
    ///
    /// Returns the failure of [`Fault::Settle`].
    fn settle<'a>(
        &'a self,
        message: &Self::Message<'a>,
    ) -> impl Future<Output = Result<(), Failing>>;

    /// Makes the next operation that `fault` applies to fail. Returns how its telemetry describes
    /// the failure. Returns `None`, and changes nothing, if this client cannot fail in this way.
    fn inject(&self, fault: Fault) -> Option<Failing> {
        let _ = fault;
        None
    }

    /// Returns a message for `destination` that can be sent, but that no context can be injected
    /// into. Returns `None` if a context can be injected into every message.
    fn without_room(&self, destination: &'static str) -> Option<Outgoing>;

    /// Returns the headers of a received message, in their order.
    fn headers_of(message: &Self::Message<'_>) -> Vec<Header>;

    /// Returns the partition of a received message, and its value of [`position`](Self::position).
    fn place_of(message: &Self::Message<'_>) -> Place;

    /// Returns the body of a received message.
    fn body_of(message: &Self::Message<'_>) -> Vec<u8>;

    /// Returns the instrumentation scope of all spans and metrics.
    fn scope() -> InstrumentationScope {
        let (name, version) = Self::SYSTEM.scope();
        InstrumentationScope::builder(name)
            .with_version(version)
            .with_schema_url(semconv::SCHEMA_URL)
            .build()
    }
}

/// The destinations that a test needs.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The destinations that the consumer receives from. A test may also send to others, which
    /// have to be created at the first send.
    pub destinations: &'a [&'static str],
    /// The number of partitions of each destination, where there are partitions.
    pub partitions: u32,
}

/// The header values that a client supports besides text.
#[derive(Clone, Copy, Debug)]
pub struct Headers {
    /// Whether a value may be bytes that are not UTF-8.
    pub binary: bool,
    /// Whether a header may have no value.
    pub null: bool,
    /// Whether names may repeat. Headers then also keep their order.
    pub duplicate: bool,
    /// The longest value, in bytes, that a message with few other headers can have. Larger limits
    /// than one megabyte are not needed.
    pub longest: usize,
}

/// A header of a message: its name, and its value or `None` for null.
pub type Header = (String, Option<Vec<u8>>);

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The name of the destination.
    pub destination: Cow<'static, str>,
    /// The partition. `None` lets the client or the broker choose.
    pub partition: Option<u32>,
    /// The key, where messages have one.
    pub key: Option<Vec<u8>>,
    /// The body.
    pub body: Vec<u8>,
    /// All headers.
    pub headers: Vec<Header>,
}

/// The place of a message at its destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The partition, where there are partitions.
    pub partition: Option<u32>,
    /// The value of the attribute [`Broker::position`], if it is known.
    pub position: Option<i64>,
}

/// The attributes of a client on its spans and metrics.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// `server.address` and `server.port`.
    pub server: Option<(Cow<'static, str>, Option<u16>)>,
    /// `messaging.consumer.group.name`.
    pub group: Option<Cow<'static, str>>,
    /// Attributes of spans only, such as `messaging.client.id`. Create spans do not have them.
    pub span_attributes: Vec<(&'static str, ExpectedValue)>,
}

/// A fault that [`Broker::inject`] causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client never accepts the message, and the send waits forever.
    Stall,
    /// The client refuses the message.
    Refuse,
    /// The broker answers that it did not store the message.
    Fail,
    /// Receiving fails.
    Receive,
    /// Settling fails.
    Settle,
}

/// The telemetry of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The value of `error.type`.
    pub error_type: Cow<'static, str>,
    /// The description of the span's status.
    pub description: Cow<'static, str>,
}

impl Outgoing {
    /// Makes a message for `destination` with a body and no headers.
    pub fn new(destination: impl Into<Cow<'static, str>>) -> Self {
        Self {
            destination: destination.into(),
            partition: None,
            key: None,
            body: b"7 apples".to_vec(),
            headers: Vec::new(),
        }
    }

    /// Appends `headers`.
    #[must_use = "this returns the changed message"]
    pub fn with_headers<N: Into<String>, V: Into<Vec<u8>>>(
        mut self,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let headers = headers.into_iter().map(|(name, value)| (name.into(), Some(value.into())));
        self.headers.extend(headers);
        self
    }

    /// Replaces all headers.
    #[must_use = "this returns the changed message"]
    pub fn with_all_headers(mut self, headers: Vec<Header>) -> Self {
        self.headers = headers;
        self
    }

    /// Replaces the body.
    #[must_use = "this returns the changed message"]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the partition.
    #[must_use = "this returns the changed message"]
    pub const fn with_partition(mut self, partition: u32) -> Self {
        self.partition = Some(partition);
        self
    }
}
