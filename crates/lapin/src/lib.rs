//! OpenTelemetry instrumentation for [`lapin`] (RabbitMQ): every message carries its trace context,
//! and every publish and delivery has spans, links and metrics, as the
//! [messaging conventions v1.44.0](https://opentelemetry.io/docs/specs/semconv/messaging/) ask.
//!
//! # Quick start
//!
//! Rename the dependency. This crate has the client's modules and names, so no source line changes:
//!
//! ```toml
//! [dependencies]
//! lapin = { package = "otel-messaging-lapin", version = "0.1" }
//! bare-lapin = { package = "lapin", version = "4.12" } # was: lapin = "4.12"
//! ```
//!
//! The second line turns on the client's features, the runtime and TLS. **Without a feature for TLS,
//! the client connects to `amqps://` in the clear, credentials included.**
//!
//! Or keep the dependency's name, and change one import a file:
//!
//! ```no_run
//! use otel_messaging_lapin as lapin; // was: the lapin crate itself
//! use futures::StreamExt;
//! use lapin::{
//!     BasicProperties, Connection, ConnectionProperties,
//!     message::Delivery,
//!     options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions},
//!     types::FieldTable,
//! };
//!
//! # async fn shop(uri: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let connection = Connection::connect(uri, ConnectionProperties::default()).await?; // as before
//! let channel = connection.create_channel().await?;
//! let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
//! let confirm = channel
//!     .basic_publish("shop".into(), "orders".into(), options, b"7 apples", properties)
//!     .await?;
//! confirm.await?; // with confirms on, the send span ends here
//!
//! let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
//! let mut consumer = channel.basic_consume("orders".into(), "".into(), options, arguments).await?;
//! while let Some(order) = consumer.next().await {
//!     let order = order?; // receive span, which links to the send span
//!     order.process(handle(&order)).await?; // new: process span, current inside `handle`
//!     order.ack(BasicAckOptions::default()).await?; // settle span, a child of the process span
//! }
//! # Ok(())
//! # }
//! async fn handle(order: &Delivery) -> Result<(), std::fmt::Error> {
//!     println!("{} bytes", order.data.len());
//!     Ok(())
//! }
//! ```
//!
//! Spans and metrics go to the global providers, whenever they are set. For every other choice, make
//! an [`Instrumentation`](otel::Instrumentation) and wrap the connection that you have:
//!
//! ```no_run
//! use otel_messaging_lapin::{
//!     Connection, ConnectionProperties, bare,
//!     otel::{Instrumentation, ProcessParent},
//! };
//!
//! # async fn connect(uri: &str) -> bare::Result<()> {
//! let instrumentation = Instrumentation::builder()
//!     .with_process_parent(ProcessParent::CreationContextIfNoAmbient) // one trace, not two
//!     .build();
//! let connection = bare::Connection::connect(uri, ConnectionProperties::default()).await?;
//! let connection = Connection::wrap(connection, uri, &instrumentation);
//! # Ok(())
//! # }
//! ```
//!
//! [`DefaultConnectionBuilder`] takes one as well. [`Connection::wrap_channel`] and
//! [`Channel::wrap`] wrap a channel, and [`Delivery`](message::Delivery) is made of the client's own
//! in tests.
//!
//! # Batches
//!
//! [`batches`](Consumer::batches) collects deliveries without losing one in a `select!`. Each batch
//! has ONE receive span, and its [`process`](otel::Batch::process) makes ONE process span that links
//! to every message. Links past the SDK's limit (128, or `OTEL_SPAN_LINK_COUNT_LIMIT`) go to
//! zero-length child spans.
//!
//! ```no_run
//! # use otel_messaging_lapin::{Consumer, message::Delivery, options::BasicAckOptions};
//! # use std::time::Duration;
//! # async fn store(_: &[Delivery]) -> Result<(), std::fmt::Error> { Ok(()) }
//! # async fn run(consumer: Consumer) -> Result<(), Box<dyn std::error::Error>> {
//! let mut batches = consumer.batches(500, Duration::from_millis(200), tokio::time::sleep);
//! while let Some(batch) = batches.next().await {
//!     let batch = batch?;
//!     batch.process(store(&batch)).await?; // a link for every message
//!     if let Some(last) = batch.last() {
//!         last.ack(BasicAckOptions { multiple: true }).await?; // the span says how many it settles
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`basic_publish_batch`](Channel::basic_publish_batch) publishes several messages as one batch.
//!
//! # What is emitted
//!
//! | span | kind | made by | ends | links to |
//! |---|---|---|---|---|
//! | `publish {destination}` | PRODUCER | `basic_publish` | with the confirm; at the hand-over, if confirms are off or the confirm is dropped | a context that the headers carried |
//! | `create {destination}` | PRODUCER | each message of `basic_publish_batch` | at once | a context that the headers carried |
//! | `publish {destination}` | CLIENT | `basic_publish_batch`, `basic_publish_with_context` | with the last confirm | every message's context |
//! | `receive {destination}` | CLIENT | a consumer's stream, `batches` | at the hand-over | every message's context |
//! | `get {destination}` | CLIENT | `basic_get`, unless the queue is empty | at the hand-over | the message's context |
//! | `process {destination}` | CONSUMER | `process` in its forms, a delegate | with the handler's result | every message's context |
//! | `ack`, `nack`, `reject {destination}` | CLIENT | a delivery, its acker, the channel by tag | when the client has written it | the message's context |
//!
//! **Dropped futures.** The client takes a message, or a settlement, when the future is polled
//! first. A publish or a settlement that is dropped after that ends as handed over, without an
//! error; the message counts as sent. `cancelled` means that the client had not taken it: a message
//! of a batch that was not handed over yet. A handler that is dropped ends its process span as
//! `cancelled`, too. A wait for a delivery that is dropped has no span; a consumer and its batches
//! lose no delivery by it.
//!
//! **Destinations** are called `{exchange}:{routing key}` where messages are published to, and
//! `{exchange}:{routing key}:{queue}` where they are delivered from, without parts that are empty
//! or repeated; the default exchange alone is `amq.default`. Where routing keys are many, give them a
//! [template](otel::InstrumentationBuilder::with_destination_templates). Queues that the broker
//! named (`amq.gen-…`) are anonymous. Reply queues are temporary, and so are those that were declared
//! exclusive or auto-deleted over the same connection. These are in no span's name and no metric.
//!
//! **Attributes**: `messaging.system`, `messaging.operation.name` and `.type`,
//! `messaging.destination.name`, `.anonymous` and `.temporary`,
//! `messaging.rabbitmq.destination.routing_key`, `messaging.rabbitmq.message.delivery_tag`,
//! `messaging.message.id`, `messaging.message.conversation_id` (the correlation id),
//! `messaging.batch.message_count`, `server.address`, `server.port` and `error.type`. In a batch,
//! what holds for all messages is on the span, the rest on the links. Headers and sizes are recorded
//! only [when asked for](otel::InstrumentationBuilder::with_captured_headers), payloads never.
//!
//! **`error.type`** is the name of AMQP's reply code (`NOT_FOUND`, `NO_ROUTE`), `nack` for a message
//! that the broker refused, `poisoned` for a delivery that cannot be settled any more, or the name of
//! the client's error (`InvalidChannelState`).
//!
//! **Metrics**: `messaging.client.operation.duration` and `messaging.process.duration` in seconds,
//! `messaging.client.sent.messages` and `messaging.client.consumed.messages`. They do not depend on
//! sampling. The duration of a `receive` includes the wait for the message.
//!
//! # Which trace is it in?
//!
//! A process span is a child of the span that is current where the message is processed, and *links*
//! to the span that published the message. [`ProcessParent`](otel::ProcessParent) puts publisher and
//! consumer into one trace. Do not continue traces of publishers that you do not trust: contexts in
//! headers are taken as they come.
//!
//! A message that the broker delivers again, or dead-letters, keeps the context that it was published
//! with. A message that the application publishes with the properties of a delivery is a new one: its
//! send span links to the context that it replaces.
//!
//! # What else changes
//!
//! - Fields of a [`Delivery`](message::Delivery) are read and changed in place, and moved out after
//!   `into_inner`.
//! - A delegate gets the client's own deliveries, inside the process span. Settling them has no span,
//!   unless they are wrapped by [`Delivery::from_bare`](message::Delivery::from_bare).
//! - [`lapin::Connection::connector`] is the client's own: wrap the connection that it makes.
//! - The server's address is that of the URI.
//! - A message that comes back ends the span of the confirm that the client gives it to. While
//!   several confirms are awaited, that may be another message's.
//! - A context is written as long strings, and found under a name in any case. Headers that would
//!   not fit their frame with a context are left as they are.
//! - With automatic recovery, confirms that were awaited fail with their spans. A consumer's stream
//!   goes on, and what it delivered before is `poisoned`.
//!
//! # Cost
//!
//! With [`Instrumentation::disabled`](otel::Instrumentation::disabled) an operation costs a branch, and a
//! delivery a copy of the client's acker, which is six reference counts; `with_tracing(false)` and
//! `with_metrics(false)` skip that half. The client has no way to change a
//! header table: a message that has headers has them copied once.
//!
//! With settle spans on, a channel keeps the destination, the ids and the context of up to 16,384
//! unsettled deliveries, so that a settlement by tag finds its message.
//! [`with_settle_spans(false)`](otel::InstrumentationBuilder::with_settle_spans) keeps nothing; then
//! the duration of a settlement *by tag* does not name its destination.
//!
//! # Features
//!
//! - `tokio`: the client's feature of that name, one of its defaults. Its other features (TLS, other
//!   runtimes) are turned on at the client itself.
//! - `otel` (default): the telemetry. Without it the API is the same, and nothing of OpenTelemetry
//!   is built: the types call the client and do nothing else. Only what names a type of
//!   OpenTelemetry's is missing.
//! - `internal-logs` (default): diagnostics through OpenTelemetry's internal logging.
//! - `bound-instruments`: faster metrics through the API's experimental bound instruments. It switches
//!   on the part of `opentelemetry_sdk` too, and implies `otel`. A meter provider of your own must
//!   implement `SyncInstrument::bind`: the API's default drops what is recorded.
//! - `tracing`: process spans are spans of `tracing` where a layer of `tracing-opentelemetry` records
//!   them, and its current span is ambient. It implies `otel`. It is for applications to choose: see
//!   [`with_subscriber_spans`](otel::InstrumentationBuilder::with_subscriber_spans).
//! - `serde`: a [`CreationContext`](otel::CreationContext) can be serialized.

#![cfg_attr(docsrs, feature(doc_cfg))]
// The docs describe the build with telemetry, and name types that only that one has.
#![cfg_attr(not(feature = "otel"), allow(rustdoc::broken_intra_doc_links))]
#![warn(unnameable_types)]

mod channel;
mod connection;
mod consumer;
mod destination;
mod error_type;
mod hand_over;
mod headers;
pub mod message;
mod origin;
mod outgoing;
mod producer;
mod properties;
pub mod semconv;
mod server;
mod settle;
mod settled;
mod shared;
mod unsettled;

/// The client itself, without instrumentation: for the few places that need its own types.
pub use ::lapin as bare;
pub use ::lapin::*;
/// What an application configures and processes with: the core of the instrumentation.
pub mod otel {
    // A module, as a renamed crate would appear in errors under its own name.
    pub use otel_messaging_core::*;
}

pub use self::{
    channel::Channel,
    connection::{Connect, Connection, ConnectionBuilder, DefaultConnectionBuilder},
    consumer::{Batches, Consumer, Deliveries},
    outgoing::Publish,
    producer::PublisherConfirm,
    settle::Acker,
};
