//! OpenTelemetry instrumentation for [`rdkafka`]: change one import, and every record
//! carries its trace context, every producer and consumer has its spans, links and metrics, as the
//! [messaging conventions v1.44.0](https://opentelemetry.io/docs/specs/semconv/messaging/) ask.
//!
//! # Quick start
//!
//! This crate mirrors the client's modules. One line changes, and the handler gets its span:
//!
//! ```
//! use otel_messaging_rdkafka as rdkafka; // was: the rdkafka crate itself
//! use rdkafka::{
//!     ClientConfig, Message,
//!     consumer::{Consumer, StreamConsumer},
//!     producer::{FutureProducer, FutureRecord},
//! };
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let cluster = rdkafka::mocking::MockCluster::new(1)?;
//! # cluster.create_topic("orders", 1, 1)?;
//! # let mut config = ClientConfig::new();
//! # config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", "billing");
//! # config.set("auto.offset.reset", "earliest").set("group.protocol", "consumer");
//! let producer: FutureProducer = config.create()?; // as before
//! let order = FutureRecord::to("orders").key("7").payload("7 apples");
//! producer.send(order, Duration::ZERO).await.map_err(|(error, _)| error)?;
//!
//! let consumer: StreamConsumer = config.create()?;
//! consumer.subscribe(&["orders"])?;
//! let order = consumer.recv().await?; // receive span, linked to the send span
//! order.process(handle(&order)).await?; // process span, linked, current inside
//! # Ok(())
//! # }
//! async fn handle(order: &impl Message) -> Result<(), std::fmt::Error> {
//!     assert_eq!(order.payload(), Some(&b"7 apples"[..]));
//!     Ok(())
//! }
//! ```
//!
//! Telemetry goes to the global providers, whenever they are set. For others, and for every other
//! choice, give each client an [`Instrumentation`](otel::Instrumentation):
//!
//! ```
//! use otel_messaging_rdkafka as rdkafka;
//! use rdkafka::{
//!     ClientConfig, client::DefaultClientContext,
//!     otel::{Instrumentation, ProcessParent},
//!     producer::FutureProducer,
//! };
//!
//! # fn main() -> Result<(), rdkafka::error::KafkaError> {
//! # let config = ClientConfig::new();
//! let instrumentation = Instrumentation::builder()
//!     .with_process_parent(ProcessParent::CreationContextIfNoAmbient)
//!     .with_message_keys(true)
//!     .build();
//! let producer: FutureProducer =
//!     FutureProducer::create(&config, DefaultClientContext, &instrumentation)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Batches
//!
//! [`batches`](consumer::StreamConsumer::batches) collects messages without losing one in a
//! `select!`, with ONE receive span a batch; the batch's
//! [`process`](otel::Batch::process) makes ONE process span that links to every message. Links
//! that the SDK would cut off (past 128, or its `OTEL_SPAN_LINK_COUNT_LIMIT`) go to zero-length
//! child spans; raise the limit in the SDK and
//! [tell us](otel::builder::InstrumentationBuilder::with_link_limit) to have them all on one.
//!
//! ```
//! # use otel_messaging_rdkafka as rdkafka;
//! # use rdkafka::{ClientConfig, Message, consumer::{Consumer, StreamConsumer}};
//! # use rdkafka::producer::{FutureProducer, FutureRecord};
//! # use std::time::Duration;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let cluster = rdkafka::mocking::MockCluster::new(1)?;
//! # cluster.create_topic("orders", 1, 1)?;
//! # let mut config = ClientConfig::new();
//! # config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", "ledger");
//! # config.set("auto.offset.reset", "earliest").set("group.protocol", "consumer");
//! # let producer: FutureProducer = config.create()?;
//! # for _ in 0..3 {
//! #     let record = FutureRecord::<str, str>::to("orders").payload("x");
//! #     producer.send(record, Duration::ZERO).await.map_err(|(error, _)| error)?;
//! # }
//! # let consumer: StreamConsumer = config.create()?;
//! # consumer.subscribe(&["orders"])?;
//! let mut batches = consumer.batches(500, Duration::from_millis(200));
//! let mut stored = 0;
//! while let Some(batch) = batches.next().await {
//!     let batch = batch?;
//!     batch.process(async { stored += batch.len() }).await; // a link for every message
//! #   if stored == 3 { break }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A producer's `send_batch` is the other end: a create span for each record, and one send span
//! that links to them.
//!
//! # What is emitted
//!
//! | span | kind | from | ends | links to |
//! |---|---|---|---|---|
//! | `send {topic}` | PRODUCER | `send`, `send_result` | with the delivery report | a context that the record carried |
//! | `create {topic}` | PRODUCER | each record of `send_batch` | at once | a context that the record carried |
//! | `send {topic}` | CLIENT | `send_batch`, `send_created` | with the last delivery report | every record's context |
//! | `poll {topic}` | CLIENT | `recv`, `poll`, `stream`, `iter`, `batches` | at the hand-over | every message's context |
//! | `process {topic}` | CONSUMER | `process` and its sisters | with the handler's result | every message's context |
//! | `commit {topic}` | CLIENT | `commit…`, `send_offsets_to_transaction` | with the call | the message's context, if one is given |
//!
//! Attributes: `messaging.system`, `messaging.operation.name` and `.type`,
//! `messaging.destination.name` and `.partition.id`, `messaging.client.id`,
//! `messaging.consumer.group.name`, `messaging.batch.message_count`, `messaging.kafka.offset`,
//! `messaging.kafka.message.tombstone`, `messaging.kafka.cluster.id` (once the client knows it),
//! `server.address` and `server.port` (the first bootstrap server), and `error.type` (the name of
//! the client's error code, such as `QueueFull`). In a batch, what holds for all stands on the
//! span, the rest on the links. Keys, headers and sizes are recorded only
//! [when asked for](otel::builder::InstrumentationBuilder::with_message_keys); payloads never.
//!
//! Metrics: `messaging.client.operation.duration` and `messaging.process.duration` (seconds),
//! `messaging.client.sent.messages` and `messaging.client.consumed.messages`. They do not depend
//! on sampling. The duration of a `poll` includes the wait for the message: on an idle topic it
//! shows how rarely messages come.
//!
//! # Which trace is it in?
//!
//! A process span is a child of whatever is current where the message is processed, and *links*
//! to the span that sent the message: a span has one parent, but a batch has many causes, and a
//! consumer often works under a span of its own. Who wants one trace for producer and consumer
//! chooses [`ProcessParent`](otel::ProcessParent). Contexts in headers are taken as they come:
//! do not continue traces of producers that you do not trust.
//!
//! # What else changes
//!
//! - `BaseProducer` and `ThreadedProducer` are a `Producer<Instrumented<C>>` instead of a
//!   `Producer<C>`: [`Instrumented`](producer::Instrumented) dereferences to your context, so
//!   `producer.context().field` stays, and a bound `impl Producer<MyContext>` changes.
//! - Their context is fixed when they are made, so an existing one cannot be wrapped; all other
//!   clients can: `new(client, &instrumentation)` or `From`.
//! - A [`ConsumerContext`](consumer::ConsumerContext)'s rebalance callbacks get the client's own
//!   `BaseConsumer`: write [`bare::consumer::BaseConsumer`] there.
//! - [`OwnedMessage`](message::OwnedMessage) is ours too, also where a failed delivery gives the
//!   message back; `into_inner` has the client's.
//! - The consumers and producers do not dereference to the client's: `get_ref` has it, and what is
//!   done with it is not instrumented.
//! - `FutureProducer` has no third type parameter: the client has no way to make one with a
//!   custom partitioner.
//! - A record that just fits `message.max.bytes` is sent without context rather than refused. A
//!   limit of the topic or broker may still refuse a record for the 66 bytes and more that a
//!   context takes.
//! - A background commit (`enable.auto.commit`) has no span: no call of the application makes it.
//!
//! The rules named R1 to R25 in these docs are listed in the repository's `ARCHITECTURE.md`.
//!
//! # Cost
//!
//! With [`Instrumentation::disabled`](otel::Instrumentation::disabled) an operation costs a branch,
//! and a record of a `BaseProducer` or `ThreadedProducer` a small allocation, which takes its opaque
//! through the client; `with_tracing(false)` and `with_metrics(false)` skip that half. Headers are
//! looked up by name and not copied, unless a record is so large that its context may not fit.
//!
//! # Features
//!
//! - `tokio`: the client's default runtime, as its own feature of that name. Enable the client's
//!   other features (`ssl`, `zstd`, …) by depending on `rdkafka` beside this crate.
//! - `otel` (default): the telemetry. Without it this crate is the client itself, and nothing of
//!   OpenTelemetry is built; `process`, its sisters and `batches` are pass-through then, in
//!   traits that `use otel_messaging_rdkafka::pass_through::*` brings into scope. It changes what
//!   the types are, so it is the application's to choose; `otel-messaging` tells how one application
//!   is built both ways.
//! - `internal-logs` (default): diagnostics through OpenTelemetry's internal logging.
//! - `bound-instruments`: faster metrics through the API's experimental bound instruments. Enable
//!   `experimental_metrics_bound_instruments` of `opentelemetry_sdk` with it: an SDK that does not
//!   know bound instruments records nothing through them.
//! - `serde`: a [`CreationContext`](otel::CreationContext) can be serialized.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(unnameable_types)]

pub mod consumer;
mod error_type;
mod forward;
mod headers;
mod instrumented;
pub mod message;
mod native;
mod outgoing;
pub mod producer;
pub mod semconv;
mod server;
mod settle;

/// The client itself, without instrumentation.
pub use ::rdkafka as bare;
pub use ::rdkafka::*;
/// The options of the instrumentation, and what handlers work with.
pub use otel_messaging_core as otel;

pub use crate::instrumented::{Instrumented, KafkaClient};
