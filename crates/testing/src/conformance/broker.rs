//! What the suite must be able to do with a broker, and what it must know of its client.

use std::{borrow::Cow, future::Future};

use opentelemetry::InstrumentationScope;
use otel_messaging_core::{
    AsReceived, Batch, CreationContext, Instrumentation, Operation, OperationType, System, semconv,
};

use crate::attributes::ExpectedValue;

/// A broker with an instrumented producer and an instrumented consumer, as the rules use it.
///
/// The constants and the functions that are not asynchronous declare what the telemetry of this
/// client looks like, and what the system can do. A rule asserts the absence of what cannot be.
///
/// Every test starts a broker of its own and names destinations as it likes, such as `orders`. On
/// a broker that is shared, [`destination`](Self::destination) tells what they are really called.
pub trait Broker: Sized + Send + Sync + 'static {
    /// What the consumer hands over: the client crate's own message type.
    type Message<'a>: AsReceived<Message: Send + Sync> + Send + Sync
    where
        Self: 'a;

    /// The system, as the client crate's `semconv` names it.
    const SYSTEM: System;
    /// The operation that sends.
    const SEND: Operation;
    /// The operation that receives.
    const RECEIVE: Operation;
    /// The operation of [`settle`](Self::settle), if the system has settlement.
    const SETTLE: Option<Operation>;
    /// Which values a header may have besides text.
    const HEADERS: Headers;
    /// Whether the client knows the envelope's size of what it sends.
    const ENVELOPE_SIZE: bool;
    /// Whether destinations have partitions, which [`Outgoing::partition`] chooses from.
    const PARTITIONS: bool;
    /// Whether a send span ends with the broker's answer although the caller dropped the future;
    /// otherwise it ends at the hand-over (rule R10).
    const ANSWERS_AFTER_DROP: bool;
    /// A name for a destination that is temporary, where there is such a thing.
    const TEMPORARY: Option<&'static str>;
    /// A name for a destination that is anonymous, where there is such a thing.
    const ANONYMOUS: Option<&'static str>;

    /// The key of the attribute, a number, that differs from message to message, such as an
    /// offset, if such an operation has one. On sends the broker's answer brings it.
    fn position(operation: OperationType) -> Option<&'static str>;

    /// What every message says in such an operation besides, such as a routing key; not as one of
    /// several that differ.
    fn message_attributes(operation: OperationType) -> Vec<(&'static str, ExpectedValue)> {
        let _ = operation;
        Vec::new()
    }

    /// What the broker's answer adds to the span of a single send, beside the position.
    fn answer(&self) -> Vec<(&'static str, ExpectedValue)> {
        Vec::new()
    }

    /// Starts the broker and the two clients, both with `instrumentation`. The consumer is ready
    /// to receive all [`Setup::destinations`] from their beginning.
    fn start(
        setup: Setup<'_>,
        instrumentation: &Instrumentation,
    ) -> impl Future<Output = Self> + Send;

    /// What the telemetry of `operation` calls the destination that the test calls `name`.
    fn destination(&self, operation: OperationType, name: &str) -> String {
        let _ = operation;
        name.to_owned()
    }

    /// What the spans of the client that does `operation` say of it.
    fn client(&self, operation: OperationType) -> Client;

    /// Sends a message by the instrumented producer, until the broker's answer if there is one.
    /// An error has the message as the client gives it back.
    ///
    /// Nothing may happen before the first poll.
    fn send(&self, message: Outgoing) -> impl Future<Output = Result<Place, Outgoing>> + Send;

    /// Sends a message that was created in `creation`.
    fn send_with_context(
        &self,
        message: Outgoing,
        creation: &CreationContext,
    ) -> impl Future<Output = Result<Place, Outgoing>> + Send;

    /// Hands a message over, and drops what waits for the answer.
    fn send_and_forget(&self, message: Outgoing) -> impl Future<Output = ()> + Send;

    /// Sends messages as one batch. The results are in their order.
    fn send_batch(
        &self,
        messages: Vec<Outgoing>,
    ) -> impl Future<Output = Vec<Result<Place, Outgoing>>> + Send;

    /// Sends messages by a producer that is not instrumented, with these headers and no other.
    fn send_foreign(&self, messages: Vec<Outgoing>) -> impl Future<Output = ()> + Send;

    /// Receives a message by the instrumented consumer, when there is one. An error is that of
    /// [`Fault::Receive`].
    ///
    /// Nothing may happen before the first poll. It is dropped while it waits.
    fn receive(&self) -> impl Future<Output = Result<Self::Message<'_>, Failing>> + Send;

    /// Receives exactly `count` messages as one batch, when they are there.
    fn receive_batch(
        &self,
        count: usize,
    ) -> impl Future<Output = Result<Batch<Self::Message<'_>>, Failing>> + Send;

    /// Asks for a message where there is none, without waiting for one, if the client can.
    fn receive_nothing(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Settles a message: where [`SETTLE`](Self::SETTLE) is none, nothing. An error is that of
    /// [`Fault::Settle`].
    fn settle<'a>(
        &'a self,
        message: &Self::Message<'a>,
    ) -> impl Future<Output = Result<(), Failing>>;

    /// Makes the next operation that can meet `fault` do so. Says what its telemetry will then
    /// tell, or none if this client cannot fail so; then nothing happens.
    fn inject(&self, fault: Fault) -> Option<Failing> {
        let _ = fault;
        None
    }

    /// A message for `destination` that has no room for a context, but can be sent, if there is
    /// such a thing.
    fn without_room(&self, destination: &'static str) -> Option<Outgoing>;

    /// The headers with which a message travelled, in order.
    fn headers_of(message: &Self::Message<'_>) -> Vec<Header>;

    /// Where a message was, or what else its consumer knows as [`position`](Self::position).
    fn place_of(message: &Self::Message<'_>) -> Place;

    /// The body of a message.
    fn body_of(message: &Self::Message<'_>) -> Vec<u8>;

    /// The instrumentation scope of all telemetry.
    fn scope() -> InstrumentationScope {
        let (name, version) = Self::SYSTEM.scope();
        InstrumentationScope::builder(name)
            .with_version(version)
            .with_schema_url(semconv::SCHEMA_URL)
            .build()
    }
}

/// What a test needs of a broker.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The destinations that the consumer receives from. Others may be sent to, and have to be
    /// made when they are.
    pub destinations: &'a [&'static str],
    /// How many partitions each destination has, where there are partitions.
    pub partitions: u32,
}

/// Which values a header may have besides text.
#[derive(Clone, Copy, Debug)]
pub struct Headers {
    /// Bytes that are not UTF-8.
    pub binary: bool,
    /// None at all.
    pub null: bool,
    /// One more under the same name. Then headers also have an order.
    pub duplicate: bool,
    /// The longest value that can be sent in a message with few others, in bytes; a megabyte is
    /// enough.
    pub longest: usize,
}

/// A header as it travels: its name, and its value if that is not null.
pub type Header = (String, Option<Vec<u8>>);

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub destination: Cow<'static, str>,
    /// Which partition, if it is chosen here.
    pub partition: Option<u32>,
    /// The key, where messages have one.
    pub key: Option<Vec<u8>>,
    /// The body.
    pub body: Vec<u8>,
    /// All headers.
    pub headers: Vec<Header>,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The partition, where there are partitions.
    pub partition: Option<u32>,
    /// The value of [`Broker::position`], if it is known.
    pub position: Option<i64>,
}

/// What the spans and metrics of a client say of it.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// `server.address` and `server.port`.
    pub server: Option<(Cow<'static, str>, Option<u16>)>,
    /// `messaging.consumer.group.name`.
    pub group: Option<Cow<'static, str>>,
    /// What only spans say, such as `messaging.client.id`, on all but those that create messages.
    pub span_attributes: Vec<(&'static str, ExpectedValue)>,
}

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A send waits for ever for the client to take the message.
    Stall,
    /// The client refuses a message.
    Refuse,
    /// The broker answers that it has not got a message.
    Fail,
    /// Receiving fails.
    Receive,
    /// Settling fails.
    Settle,
}

/// How a failure is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The value of `error.type`.
    pub error_type: Cow<'static, str>,
    /// The description of the span's status.
    pub description: Cow<'static, str>,
}

impl Outgoing {
    /// A message with a body, and no headers.
    pub fn new(destination: impl Into<Cow<'static, str>>) -> Self {
        Self {
            destination: destination.into(),
            partition: None,
            key: None,
            body: b"7 apples".to_vec(),
            headers: Vec::new(),
        }
    }

    /// The same with these headers after those it has.
    #[must_use = "this returns the changed message"]
    pub fn with_headers<N: Into<String>, V: Into<Vec<u8>>>(
        mut self,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let headers = headers.into_iter().map(|(name, value)| (name.into(), Some(value.into())));
        self.headers.extend(headers);
        self
    }

    /// The same with all these headers, instead of those it has.
    #[must_use = "this returns the changed message"]
    pub fn with_all_headers(mut self, headers: Vec<Header>) -> Self {
        self.headers = headers;
        self
    }

    /// The same with this body.
    #[must_use = "this returns the changed message"]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The same for this partition.
    #[must_use = "this returns the changed message"]
    pub const fn with_partition(mut self, partition: u32) -> Self {
        self.partition = Some(partition);
        self
    }
}
