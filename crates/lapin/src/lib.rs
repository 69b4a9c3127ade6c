//! OpenTelemetry instrumentation for [`lapin`] (RabbitMQ): change one import, and every message
//! carries its trace context, every publish and delivery has its spans, links and metrics, as the
//! [messaging conventions v1.44.0](https://opentelemetry.io/docs/specs/semconv/messaging/) ask.
//!
//! # Quick start
//!
//! This crate mirrors the client's modules. One line changes, and the handler gets its span:
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
//!     let order = order?; // receive span, linked to the send span
//!     order.process(handle(&order)).await?; // process span, linked, current inside
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
//! Telemetry goes to the global providers, whenever they are set. For others, and for every other
//! choice, wrap the connection with an [`Instrumentation`](otel::Instrumentation):
//!
//! ```no_run
//! use otel_messaging_lapin::{
//!     Connection, ConnectionProperties, bare,
//!     otel::{Instrumentation, ProcessParent},
//! };
//!
//! # async fn connect(uri: &str) -> bare::Result<()> {
//! let instrumentation = Instrumentation::builder()
//!     .with_process_parent(ProcessParent::CreationContextIfNoAmbient)
//!     .build();
//! let connection = bare::Connection::connect(uri, ConnectionProperties::default()).await?;
//! let connection = Connection::new(connection, uri, &instrumentation);
//! # Ok(())
//! # }
//! ```
//!
//! [`DefaultConnectionBuilder`] takes one as well; a channel from a pool is wrapped alone, by
//! [`Channel::new`].
//!
//! # Batches
//!
//! [`batches`](Consumer::batches) collects deliveries without losing one in a `select!`, with ONE
//! receive span a batch; the batch's [`process`](otel::Batch::process) makes ONE process span that
//! links to every message. A consumer does not know its runtime, so the timer is given. Links that
//! the SDK would cut off (past 128, or its `OTEL_SPAN_LINK_COUNT_LIMIT`) go to zero-length child
//! spans.
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
//!         last.ack(BasicAckOptions { multiple: true }).await?; // says how many it settles
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`basic_publish_batch`](Channel::basic_publish_batch) is the other end: a create span for each
//! message, and one send span that links to them.
//!
//! # What is emitted
//!
//! | span | kind | from | ends | links to |
//! |---|---|---|---|---|
//! | `publish {destination}` | PRODUCER | `basic_publish` | with the confirm; at the hand-over, where confirms are off or the confirm is dropped | a context that the headers carried |
//! | `create {destination}` | PRODUCER | each message of `basic_publish_batch` | at once | a context that the headers carried |
//! | `publish {destination}` | CLIENT | `basic_publish_batch`, `basic_publish_created` | with the last confirm | every message's context |
//! | `receive {destination}` | CLIENT | a consumer's stream, `batches` | at the hand-over | every message's context |
//! | `get {destination}` | CLIENT | `basic_get`, unless the queue is empty | at the hand-over | the message's context |
//! | `process {destination}` | CONSUMER | `process` and its sisters; a delegate | with the handler's result | every message's context |
//! | `ack`, `nack`, `reject {destination}` | CLIENT | a delivery, its acker, the channel by tag | when the client has written it | the message's context |
//!
//! A destination is called `{exchange}:{routing key}` where it is published to, and
//! `{exchange}:{routing key}:{queue}` where it is delivered from, without what is empty or said
//! twice; the default exchange alone is `amq.default`. Where routing keys are many, give them a
//! [template](otel::builder::InstrumentationBuilder::with_destination_templates). A queue that the
//! broker named (`amq.gen-…`) is anonymous, a reply queue is temporary, and so is one that was
//! declared exclusive or auto-deleted over the same connection: these are in no span's name and no
//! metric.
//!
//! Attributes: `messaging.system`, `messaging.operation.name` and `.type`,
//! `messaging.destination.name`, `.anonymous` and `.temporary`,
//! `messaging.rabbitmq.destination.routing_key`, `messaging.rabbitmq.message.delivery_tag`,
//! `messaging.message.id`, `messaging.message.conversation_id` (the correlation id),
//! `messaging.batch.message_count`, `server.address` and `server.port`, and `error.type`: the name
//! of AMQP's reply code (`NOT_FOUND`, `NO_ROUTE`), `nack` for what the broker refused, `poisoned`
//! for what cannot be settled any more, or the client's variant (`InvalidChannelState`). In a
//! batch, what holds for all stands on the span, the rest on the links. Headers and sizes are
//! recorded only
//! [when asked for](otel::builder::InstrumentationBuilder::with_captured_headers); payloads never.
//!
//! Metrics: `messaging.client.operation.duration` and `messaging.process.duration` (seconds),
//! `messaging.client.sent.messages` and `messaging.client.consumed.messages`. They do not depend
//! on sampling. The duration of a `receive` includes the wait for the message: on an idle queue it
//! shows how rarely messages come.
//!
//! # Which trace is it in?
//!
//! A process span is a child of whatever is current where the message is processed, and *links*
//! to the span that published the message. Who wants one trace for publisher and consumer chooses
//! [`ProcessParent`](otel::ProcessParent). Contexts in headers are taken as they come: do not
//! continue traces of publishers that you do not trust.
//!
//! What the broker delivers again, or dead-letters, keeps the context that it was published with:
//! each delivery links to the one publish. What the application publishes again with a delivery's
//! properties is a message of its own, whose send span links to the context that it replaces.
//!
//! # What else changes
//!
//! - Fields of a [`Delivery`](message::Delivery) are read and changed in place, and moved out after
//!   `into_inner`.
//! - A delegate gets the client's own deliveries, inside the process span: settling them has no
//!   span, unless they are made ours by [`Delivery::new`](message::Delivery::new).
//! - [`lapin::Connection::connector`] is the client's: wrap what it makes.
//! - The server's address is that of the URI; the client itself takes `[::1]` for `localhost`.
//! - A message that comes back is told of by the confirm that the client gives it to. While several
//!   are awaited, that may be another one's: the broker's `basic.return` names none.
//! - A context is written as long strings, which all languages read, and found under any case. A
//!   header table that would not fit its frame with it is left as it is, and so is one that is
//!   nested deeper than 64 levels.
//! - With automatic recovery, confirms that were awaited fail with their spans; a consumer's stream
//!   goes on, and what it delivered before is `poisoned`.
//!
//! The rules named R1 to R25 in these docs are listed in the repository's `ARCHITECTURE.md`.
//!
//! # Cost
//!
//! With [`Instrumentation::disabled`](otel::Instrumentation::disabled) an operation costs a branch;
//! `with_tracing(false)` and `with_metrics(false)` skip that half. The client offers no way to
//! change a header table, so a message that has headers has them copied once.
//!
//! # Features
//!
//! The client's own features are chosen on the client: keep `lapin` among your dependencies, with
//! the runtime and the TLS that you want. **Without a feature for TLS, the client connects to
//! `amqps://` in the clear, credentials included.**
//!
//! - `tokio`: the client's feature of that name, which is one of its defaults.
//! - `otel` (default): the telemetry. Without it this crate is the client itself, and nothing of
//!   OpenTelemetry is built; `process`, its sisters and `batches` are pass-through then, in
//!   traits that `use otel_messaging_lapin::pass_through::*` brings into scope. It changes what
//!   the types are, so it is the application's to choose; `otel-messaging` tells how one application
//!   is built both ways.
//! - `internal-logs` (default): diagnostics through OpenTelemetry's internal logging.
//! - `bound-instruments`: faster metrics through the API's experimental bound instruments. Enable
//!   `experimental_metrics_bound_instruments` of `opentelemetry_sdk` with it: an SDK that does not
//!   know bound instruments records nothing through them.
//! - `serde`: a [`CreationContext`](otel::CreationContext) can be serialized.

#![cfg_attr(docsrs, feature(doc_cfg))]
// These docs are about the telemetry.
#![cfg_attr(not(feature = "otel"), allow(rustdoc::broken_intra_doc_links))]

#[cfg(feature = "otel")]
mod acker;
#[cfg(feature = "otel")]
mod channel;
#[cfg(feature = "otel")]
mod confirm;
#[cfg(all(test, feature = "otel"))]
mod conformance;
#[cfg(feature = "otel")]
mod connection;
#[cfg(feature = "otel")]
mod consumer;
#[cfg(feature = "otel")]
mod destination;
#[cfg(feature = "otel")]
mod failure;
#[cfg(feature = "otel")]
mod headers;
#[cfg(feature = "otel")]
pub mod message;
#[cfg(not(feature = "otel"))]
pub mod pass_through;
#[cfg(feature = "otel")]
mod publish;
#[cfg(feature = "otel")]
pub mod semconv;
#[cfg(feature = "otel")]
mod unsettled;
#[cfg(feature = "otel")]
mod wrapper;

/// The client itself, without instrumentation: for the few places that need its own types.
pub use ::lapin as bare;
pub use ::lapin::*;
/// What is recorded and what handlers mean: the core of the instrumentation.
#[cfg(feature = "otel")]
pub use otel_messaging_core as otel;
/// What handlers mean, where nothing is recorded.
#[cfg(not(feature = "otel"))]
pub use otel_messaging_core::pass_through as otel;

#[cfg(not(feature = "otel"))]
pub use self::pass_through::Batches;
#[cfg(feature = "otel")]
pub use self::{
    acker::Acker,
    channel::Channel,
    confirm::PublisherConfirm,
    connection::{Connect, Connection, ConnectionBuilder, DefaultConnectionBuilder},
    consumer::{Batches, Consumer},
    publish::Publish,
};
