//! OpenTelemetry instrumentation for [`async-nats`](::async_nats), core NATS and JetStream: change
//! one import, and every message carries its trace context, every publisher and consumer has its
//! spans, links and metrics, as the
//! [messaging conventions v1.44.0](https://opentelemetry.io/docs/specs/semconv/messaging/) ask.
//!
//! # Quick start
//!
//! This crate mirrors the client's modules. One line changes, and the handler gets its span:
//!
//! ```no_run
//! use futures::StreamExt;
//! use otel_messaging_async_nats as async_nats; // was: the async-nats crate itself
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), async_nats::Error> {
//! let client = async_nats::connect("localhost").await?; // as before
//! let mut orders = client.subscribe("orders.*").await?;
//! client.publish("orders.7", "7 apples".into()).await?;
//!
//! let order = orders.next().await.ok_or("unsubscribed")?; // receive span, linked to the publish span
//! order.process(handle(&order)).await?; // process span, linked, current inside
//! # Ok(())
//! # }
//! async fn handle(order: &async_nats::Message) -> Result<(), std::fmt::Error> {
//!     assert_eq!(order.payload, "7 apples");
//!     Ok(())
//! }
//! ```
//!
//! Telemetry goes to the global providers, whenever they are set. For others, and for every other
//! choice, connect with an [`Instrumentation`](otel::Instrumentation):
//!
//! ```no_run
//! use otel_messaging_async_nats as async_nats;
//! use async_nats::{Client, ConnectOptions, otel::{Instrumentation, ProcessParent}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), async_nats::Error> {
//! let instrumentation = Instrumentation::builder()
//!     .with_process_parent(ProcessParent::CreationContextIfNoAmbient)
//!     .build();
//! let options = ConnectOptions::new().name("billing");
//! let client = Client::connect("localhost", options, &instrumentation).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Requests
//!
//! A request has a send span, which ends with the reply or with the class of the failure
//! (`NoResponders`, `TimedOut`); the reply has a receive span, which links to the span that sent it.
//! A responder answers within its process span, by whatever way it publishes:
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
//! # JetStream
//!
//! With the feature `jetstream`. A message that is published has its span until the stream has
//! acknowledged it; who drops the `PublishAckFuture` leaves
//! it at the hand-over. Messages that are fetched are collected as ONE batch, with one receive span
//! and a link for every message, or taken one by one:
//!
//! ```no_run
//! # #[cfg(feature = "jetstream")]
//! # async fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! use otel_messaging_async_nats as async_nats;
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
//! `batches(max, max_wait)` of a subscriber, or of any consumer's stream, collects messages as they
//! come and loses none in a `select!`. Links that the SDK would cut off (past 128, or its
//! `OTEL_SPAN_LINK_COUNT_LIMIT`) go to zero-length child spans; raise the limit in the SDK and
//! [tell us](otel::builder::InstrumentationBuilder::with_link_limit) to have them all on one.
//!
//! # What is emitted
//!
//! | span | kind | from | ends | links to |
//! |---|---|---|---|---|
//! | `publish {subject}` | PRODUCER | `publish` and its sisters, the [`Sink`](Client), `respond` | when the client has the message; of JetStream, with the acknowledgement | a context that the message carried |
//! | `request {subject}` | PRODUCER | `request`, `send_request` | with the reply | a context that the message carried |
//! | `create {subject}` | PRODUCER | each message of `publish_batch` | at once | a context that the message carried |
//! | `publish {subject}` | CLIENT | `publish_batch`, `publish_created` | with the last answer | every message's context |
//! | `receive {subject}` | CLIENT | subscriptions, consumers' streams, replies | at the hand-over | every message's context |
//! | `fetch {subject}` | CLIENT | `fetch`, `batch`, `sequence` | at the hand-over | every message's context |
//! | `get {subject}` | CLIENT | `direct_get…`, `get_…raw_message…` | with the answer | the message's context |
//! | `process {subject}` | CONSUMER | `process` and its sisters | with the handler's result | every message's context |
//! | `ack`, `nak`, `term {subject}` | CLIENT | `ack`, `ack_with`, `double_ack…`, `Acker` | with the call | the message's context |
//!
//! Attributes: `messaging.system`, `messaging.operation.name` and `.type`,
//! `messaging.destination.name` (the subject), `.template` (the subject that was subscribed to or is
//! filtered by, where it has wildcards) and `.temporary` (inboxes), `messaging.client.id` (the
//! server's number for the connection), `messaging.consumer.group.name` (the queue group, or the
//! durable consumer's name), `messaging.message.id` (`Nats-Msg-Id`),
//! `messaging.batch.message_count`, `server.address` and `server.port`, and `error.type` (the name of
//! the client's error kind). The conventions have no page on NATS; beside them there are
//! `messaging.nats.stream`, `.sequence`, `.duplicate` and `.message.delivery_count`, see [`semconv`].
//! In a batch, what holds for all stands on the span, the rest on the links. Headers and sizes are
//! recorded only [when asked for](otel::builder::InstrumentationBuilder::with_captured_headers);
//! payloads never.
//!
//! Subjects become span names and labels of metrics: the first 200, without inboxes. Give those with
//! ids in them a [template](otel::builder::InstrumentationBuilder::with_destination_templates); so,
//! too, the inboxes of other clients that have a prefix of their own, which nothing tells apart.
//!
//! Metrics: `messaging.client.operation.duration` and `messaging.process.duration` (seconds),
//! `messaging.client.sent.messages` and `messaging.client.consumed.messages`. They do not depend on
//! sampling. The duration of a `receive` includes the wait for the message: on an idle subject it
//! shows how rarely messages come. The server's status (no responders, no messages, heartbeats) is
//! nobody's message and counts nothing.
//!
//! # Headers
//!
//! Names of NATS headers are case-sensitive. Contexts are read in any case, and from the
//! `Xraceparent` that some servers make of `traceparent`; they are written as the propagator spells
//! them, in lower case, or as Go does with
//! [`with_canonical_headers`](Client::with_canonical_headers). What is stale is replaced in any case.
//! A context that would take a message past the server's `max_payload`, or its headers past the
//! 64 KiB that JetStream stores, is left out, as is one whose header the client would refuse.
//!
//! The client itself closes the connection on a header block that is not UTF-8, or has names that it
//! refuses, and connects again: such a message is lost without this crate too.
//!
//! # Which trace is it in?
//!
//! A process span is a child of whatever is current where the message is processed, and *links* to
//! the span that sent the message: a span has one parent, but a batch has many causes, and a consumer
//! often works under a span of its own. Who wants one trace for publisher and consumer chooses
//! [`ProcessParent`](otel::ProcessParent). A message that was read from where it is stored, by
//! `direct_get` and its sisters, is linked and never a child: its writer may be long gone. Contexts
//! in headers are taken as they come: do not continue traces of publishers that you do not trust.
//!
//! # What else changes
//!
//! - [`ConnectOptions::connect`] returns the client's own type: use [`connect_with_options`] or
//!   [`Client::connect`], or wrap it: `Client::from(client)`, `Client::new(client, &instrumentation)`.
//!   So, too, `ContextBuilder::build`, which takes
//!   `client.get_ref().clone()` and is wrapped by `Context::new`.
//! - Ours dereference to the client's own, and what the client's own do is not instrumented: key-value
//!   and object stores, requests to JetStream's API, `direct_get_builder`, `raw_message_builder`,
//!   `request_batch`.
//! - Fields are read through a dereference: to move one out of a message, take it
//!   [`into_inner`](Message::into_inner).
//! - [`Client`] implements the client's traits `Publisher`, `Requester` and `TimeoutProvider`, and
//!   `Context` those of core NATS. It cannot implement `Subscriber` nor
//!   JetStream's `Publisher`, whose answers are the client's own types: there are methods of the same
//!   names instead.
//! - A stream of a consumer is an [`Incoming`] of the client's, under the client's name for it.
//! - `ServiceBuilder::stats_handler` is given by a `Config` and `add_service`.
//! - Builders and ackers of JetStream have no `new`: they come from consumers and messages.
//!
//! Do not ask `fetch` or `batch` for heartbeats: at one, the client's own stream forgets to wake up.
//!
//! The rules named R1 to R25 in these docs are listed in the repository's `ARCHITECTURE.md`.
//!
//! # Cost
//!
//! With [`Instrumentation::disabled`](otel::Instrumentation::disabled) an operation costs a branch;
//! `with_tracing(false)` and `with_metrics(false)` skip that half. What is known of the server is
//! asked for once a connection. Headers are looked up by name and not copied, unless a message is
//! forwarded with the context it came with.
//!
//! # Features
//!
//! None of the client's features is forced on you. These are also features of the client, and what
//! they add to it is instrumented only with them: `jetstream`, `service`, `server_2_10`,
//! `server_2_12`. Enable the client's other features (`ring`, `nkeys`, `kv`, …) by depending on
//! `async-nats` beside this crate.
//!
//! - `otel` (default): the telemetry. Without it this crate is the client itself, and nothing of
//!   OpenTelemetry is built; `process`, its sisters, `batches` and `into_batch` are pass-through then, in
//!   traits that `use otel_messaging_async_nats::pass_through::*` brings into scope. It changes what
//!   the types are, so it is the application's to choose; `otel-messaging` tells how one application
//!   is built both ways.
//! - `internal-logs` (default): diagnostics through OpenTelemetry's internal logging.
//! - `bound-instruments`: faster metrics through the API's experimental bound instruments. Enable
//!   `experimental_metrics_bound_instruments` of `opentelemetry_sdk` with it: an SDK that does not
//!   know bound instruments records nothing through them.
//! - `serde`: a [`CreationContext`](otel::CreationContext) can be serialized.

#![cfg_attr(docsrs, feature(doc_cfg))]
// These docs are about the telemetry, and name types that only that has.
#![cfg_attr(not(feature = "otel"), allow(rustdoc::broken_intra_doc_links))]
#![warn(unnameable_types)]

pub mod client;
mod consumer;
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

/// The client itself, without instrumentation: for the few places that need its own types.
pub use ::async_nats as bare;
pub use ::async_nats::*;
/// What applications name beside the client: configuration, batches, outcomes. Its module `client`
/// is for client crates.
pub use otel_messaging_core as otel;

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
