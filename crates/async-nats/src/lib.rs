//! OpenTelemetry instrumentation for [`async-nats`](::async_nats), core NATS and JetStream: spans,
//! links and metrics of the
//! [messaging conventions v1.44.0](https://opentelemetry.io/docs/specs/semconv/messaging/), and
//! trace context in every message.
//!
//! # Quick start
//!
//! This crate mirrors the client's modules. Rename the dependency, and no source line changes:
//!
//! ```toml
//! async-nats = { package = "otel-messaging-async-nats", version = "0.1", features = ["jetstream"] }
//! ```
//!
//! Or depend on it under its own name, and change one import:
//!
//! ```no_run
//! use futures::StreamExt;
//! use otel_messaging_async_nats as async_nats; // was: the async-nats crate itself
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), async_nats::Error> {
//! let client = async_nats::connect("localhost").await?; // as before
//! let mut orders = client.subscribe("orders.*").await?;
//! client.publish("orders.7", "7 apples".into()).await?; // send span, whose context travels
//!
//! let order = orders.next().await.ok_or("unsubscribed")?; // receive span, linked to the send span
//! order.process(handle(&order)).await?; // process span, linked, current inside the handler
//! # Ok(())
//! # }
//! async fn handle(order: &async_nats::Message) -> Result<(), std::fmt::Error> {
//!     assert_eq!(order.payload, "7 apples");
//!     Ok(())
//! }
//! ```
//!
//! Telemetry goes to the global providers, which may be set later. For other providers and options,
//! connect with an [`Instrumentation`](otel::Instrumentation), or wrap a client that you have:
//!
//! ```no_run
//! # use otel_messaging_async_nats as async_nats;
//! use async_nats::{Client, ConnectOptions, bare, otel::{Instrumentation, ProcessParent}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), async_nats::Error> {
//! let instrumentation = Instrumentation::builder()
//!     .with_process_parent(ProcessParent::CreationContextIfNoAmbient)
//!     .build();
//! let options = ConnectOptions::new().name("billing");
//! let client = Client::connect("localhost", options, &instrumentation).await?;
//!
//! let existing = bare::connect("localhost").await?;
//! let client = Client::wrap(existing.clone(), &instrumentation);
//! let client = Client::from(existing); // with the default instrumentation
//! # Ok(())
//! # }
//! ```
//!
//! Messages can be made from the client's own too, to test a handler: see [`message`].
//!
//! # JetStream
//!
//! Enable the feature `jetstream`. A publish span ends with the stream's acknowledgement. Messages
//! that are fetched can be collected as ONE batch, with one receive span and a link for each:
//!
//! ```no_run
//! # #[cfg(feature = "jetstream")]
//! # async fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! # use otel_messaging_async_nats as async_nats;
//! use async_nats::jetstream::{self, consumer::pull};
//!
//! let client = async_nats::connect("localhost").await?;
//! let jetstream = jetstream::new(client);
//! let stream = jetstream.get_stream("ORDERS").await?;
//! jetstream.publish("orders.7", "7 apples".into()).await?.await?;
//!
//! let consumer = stream.get_consumer::<pull::Config>("billing").await?;
//! let fetched = consumer.fetch().max_messages(500).messages().await?;
//! let batch = fetched.into_batch().await?;
//! batch.process(async { /* store them all */ }).await; // ONE span, a link for every message
//! for message in &batch {
//!     message.ack().await?; // settle span, linked
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `batches(max, max_wait)` of a subscriber or of any consumer's stream collects messages as they
//! come, and loses none in a `select!`.
//!
//! # Requests
//!
//! A request has a send span; the reply has a receive span, which links to the span that sent it. A
//! responder answers inside its process span:
//!
//! ```no_run
//! # use futures::StreamExt;
//! # use otel_messaging_async_nats as async_nats;
//! # async fn respond(client: async_nats::Client) -> Result<(), async_nats::Error> {
//! let mut requests = client.queue_subscribe("prices", "shops".into()).await?;
//! while let Some(request) = requests.next().await {
//!     let Some(reply) = request.reply.clone() else { continue };
//!     request.process(client.publish(reply, "7".into())).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is emitted
//!
//! | span | kind | made by | ends | links to |
//! |---|---|---|---|---|
//! | `publish {subject}` | PRODUCER | `publish…`, the [`Sink`](Client), `respond…` | when the client has taken the message; on JetStream with the acknowledgement | a context that the message carried |
//! | `request {subject}` | PRODUCER | `request…`, `send_request` | with the reply | a context that the message carried |
//! | `create {subject}` | PRODUCER | each message of `publish_batch` | at once | a context that the message carried |
//! | `publish {subject}` | CLIENT | `publish_batch`, `publish_with_context` | with the last answer | every message's context |
//! | `receive {subject}` | CLIENT | subscriptions, consumers' streams, replies | at the hand-over | every message's context |
//! | `fetch {subject}` | CLIENT | `fetch`, `batch`, `sequence` | at the hand-over | every message's context |
//! | `get {subject}` | CLIENT | `direct_get…`, `get_…raw_message…` | with the answer | the message's context |
//! | `process {subject}` | CONSUMER | `process…`, `start_process` | with the handler's result | every message's context |
//! | `ack`, `nak`, `term {subject}` | CLIENT | `ack…`, `double_ack…`, also of an `Acker` | when the client has taken it; `double_ack…` with the confirmation | the message's context |
//!
//! A batch of several subjects is named after the subject that is subscribed to or filtered by, if
//! that has wildcards, or else after the stream.
//!
//! Attributes: `messaging.system`, `messaging.operation.name` and `.type`,
//! `messaging.destination.name` (the subject), `.template` (the subject that is subscribed to or
//! filtered by, where it has wildcards) and `.temporary` (inboxes), `messaging.client.id` (the
//! server's number for the connection), `messaging.consumer.group.name` (the queue group, or the
//! durable consumer's name), `messaging.message.id` (`Nats-Msg-Id`),
//! `messaging.batch.message_count`, `server.address`, `server.port`, and `error.type` (the name of
//! the client's error kind). The conventions have no page on NATS: [`semconv`] has the names
//! `messaging.nats.…`. Values that all messages of a batch share are on its span, the others on the
//! links. Headers and sizes are recorded only
//! [when asked for](otel::InstrumentationBuilder::with_captured_headers), payloads never.
//!
//! Metrics: `messaging.client.operation.duration`, `messaging.process.duration` (seconds),
//! `messaging.client.sent.messages`, `messaging.client.consumed.messages`. They do not depend on
//! sampling. The duration of a `receive` includes the wait for the message. A status of the server
//! (no responders, no messages, heartbeats) is counted nowhere.
//!
//! Subjects become span names and metric labels: the first 200 of them, without inboxes. Give
//! subjects that contain ids a
//! [template](otel::InstrumentationBuilder::with_destination_templates); do the same for inboxes of
//! other clients with a custom prefix, which look like other subjects.
//!
//! # When a future is dropped
//!
//! `error.type` is `cancelled` only if the client had not taken the message, which then does not
//! count as sent. What the client had taken ends without an error:
//!
//! | dropped | before the client took it | afterwards |
//! |---|---|---|
//! | `publish…`, `respond…`, `ack`, `ack_with` | `cancelled` | - |
//! | the future of a `PublishAckFuture` | - | ends at the hand-over |
//! | `request…`, `send_request` | `cancelled` | counts as sent, ends without the reply |
//! | `double_ack…` | `cancelled` | ends without the confirmation |
//! | `publish_batch` | `cancelled` for these messages | counts as sent |
//! | `process…` | never polled: no span | `cancelled` |
//! | a stream's `next`, `into_batch` | no span | no span |
//!
//! The client takes a message at the first poll, unless its queue of commands is full, as when it
//! has no connection. Whether a message that it took reaches the server is not known.
//!
//! # Headers
//!
//! Names of NATS headers are case-sensitive. Contexts are read in any case, and from the
//! `Xraceparent` that some servers make of `traceparent`; they are written as the propagator spells
//! them, in lower case, or as Go does with
//! [`with_canonical_headers`](Client::with_canonical_headers). Stale fields are replaced in any case.
//! A context is left out if it would take a message past the server's `max_payload` or its headers
//! past the 64 KiB that JetStream stores, or if the client would refuse its header.
//!
//! The client itself closes the connection on a header block that is not UTF-8 or has invalid names,
//! and connects again: such a message is lost without this crate too.
//!
//! # Which trace is it in?
//!
//! A process span is a child of the span that is current where the message is processed, and *links*
//! to the span that sent the message. To have one trace for publisher and consumer, choose
//! [`ProcessParent`](otel::ProcessParent). A message that is read from where it is stored, as by
//! `direct_get`, is linked and never a child: it may have been written long ago. Contexts in headers
//! are taken as they come: do not continue traces of publishers that you do not trust.
//!
//! # What else changes
//!
//! - [`ConnectOptions::connect`] returns the client's own type: use [`connect_with_options`],
//!   [`Client::connect`] or [`Client::wrap`]. So does `ContextBuilder::build`, which takes
//!   `client.get_ref().clone()`: use `Context::wrap`.
//! - The wrappers dereference to the client's own types, whose other methods are not instrumented:
//!   key-value and object stores, requests to JetStream's API, `direct_get_builder`,
//!   `raw_message_builder`, `request_batch`.
//! - Fields of a message are read through a dereference: to move one out, take the client's own by
//!   [`into_inner`](Message::into_inner).
//! - [`Client`] implements the client's traits `Publisher`, `Requester` and `TimeoutProvider`, and
//!   `Context` those of core NATS. They cannot implement `Subscriber` and JetStream's `Publisher`,
//!   which return the client's own types: there are methods of the same names instead.
//! - A consumer's stream is an [`Incoming`], under the client's name for it.
//! - `ServiceBuilder` has no `stats_handler`: set it in a `Config` and call `add_service`. Builders
//!   of `fetch` and the like, and `Acker`, have no `new`: consumers and messages make them.
//! - `double_ack` makes the client's calls one by one, to know when the client has taken it.
//!
//! Do not ask `fetch` or `batch` for heartbeats: the client's own stream does not wake up after one.
//!
//! # Cost
//!
//! With [`Instrumentation::disabled`](otel::Instrumentation::disabled) an operation costs a branch,
//! without the feature `otel` nothing; `with_tracing(false)` and `with_metrics(false)` skip that
//! half. The server's name is looked up once a connection. Headers are looked up by name, and
//! copied only where a stale context is replaced. A request allocates twice more, to know whether
//! the client has taken it. A future is as large as the client's own that takes headers, and the
//! operation.
//!
//! # Features
//!
//! - `otel` (default): the telemetry. Without it the API is the same, the types are empty, and
//!   nothing of OpenTelemetry is built.
//! - `jetstream`, `service`, `server_2_10`, `server_2_12`: the client's features of these names.
//!   What they add is instrumented with them only: without `jetstream` or `service` the module of
//!   that name is empty, also if another crate enables the feature of the client. Enable other
//!   features of the client (`ring`, `nkeys`, `kv`, …) by depending on `async-nats` beside this
//!   crate.
//! - `internal-logs` (default): diagnostics through OpenTelemetry's internal logging.
//! - `bound-instruments`: faster metrics through the API's experimental bound instruments. It switches
//!   on the part of `opentelemetry_sdk` too, and implies `otel`. A meter provider of your own must
//!   implement `SyncInstrument::bind`: the API's default drops what is recorded.
//! - `tracing`: process spans are spans of `tracing` where a layer of `tracing-opentelemetry` records
//!   them, and its current span is ambient. It implies `otel`. It is for applications to choose: see
//!   [`with_subscriber_spans`](otel::InstrumentationBuilder::with_subscriber_spans).
//! - `serde`: a [`CreationContext`](otel::CreationContext) can be serialized.

#![cfg_attr(docsrs, feature(doc_cfg))]
// These docs are about the telemetry, and name types that only that has.
#![cfg_attr(not(feature = "otel"), allow(rustdoc::broken_intra_doc_links))]
#![warn(unnameable_types)]

pub mod client;
mod consumer;
mod delivered;
mod error_type;
mod headers;
pub mod jetstream;
pub mod message;
mod outgoing;
mod request;
pub mod semconv;
mod server;
pub mod service;
#[cfg(feature = "jetstream")]
mod settle;
mod subscriber;

pub use ::async_nats::*;

/// The client itself, without instrumentation: for the few places that need its own types.
pub mod bare {
    pub use ::async_nats::*;
}

/// What applications name beside the client: configuration, batches, outcomes. Its module `client`
/// is for client crates.
pub mod otel {
    pub use otel_messaging_core::*;
}

pub use crate::{
    client::Client,
    consumer::{Batches, ClientStream, Incoming},
    message::Message,
    subscriber::Subscriber,
};

/// Connects with the default options and the default instrumentation, as
/// [`async_nats::connect`] does.
///
/// Cancel safety: dropped before it is connected, there is no client.
///
/// # Errors
/// Returns the client's error unchanged.
pub async fn connect<A: ToServerAddrs>(addrs: A) -> Result<Client, ConnectError> {
    connect_with_options(addrs, ConnectOptions::default()).await
}

/// Connects with these options and the default instrumentation. [`Client::connect`] takes an
/// instrumentation too.
///
/// Cancel safety: dropped before it is connected, there is no client.
///
/// # Errors
/// Returns the client's error unchanged.
pub async fn connect_with_options<A: ToServerAddrs>(
    addrs: A,
    options: ConnectOptions,
) -> Result<Client, ConnectError> {
    Client::connect(addrs, options, &otel::Instrumentation::default()).await
}
