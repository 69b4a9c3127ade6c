//! OpenTelemetry instrumentation for [`rdkafka`] (Apache Kafka): every record carries its trace
//! context, and every producer and consumer has spans, links and metrics, as the
//! [messaging conventions v1.44.0](https://opentelemetry.io/docs/specs/semconv/messaging/) ask.
//!
//! # Quick start
//!
//! Rename the dependency. This crate has the client's modules and names, so no source line changes:
//!
//! ```toml
//! [dependencies]
//! rdkafka = { package = "otel-messaging-rdkafka", version = "0.1" }
//! bare-rdkafka = { package = "rdkafka", version = "0.39" } # was: rdkafka = "0.39"
//! ```
//!
//! The second line turns on the client's features: by default its tokio runtime and gzip, and those
//! that you name, such as `ssl`.
//!
//! Or keep the dependency's name, and change one import a file:
//!
//! ```
//! use otel_messaging_rdkafka as rdkafka; // was: the rdkafka crate itself
//! use rdkafka::{
//!     ClientConfig, Message,
//!     consumer::{CommitMode, Consumer, StreamConsumer},
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
//! producer.send(order, Duration::ZERO).await.map_err(|(error, _)| error)?; // send span
//!
//! let consumer: StreamConsumer = config.create()?;
//! consumer.subscribe(&["orders"])?;
//! let order = consumer.recv().await?; // receive span, which links to the send span
//! order.process(handle(&order)).await?; // new: process span, current inside `handle`
//! consumer.commit_message(&order, CommitMode::Async)?; // settle span, a child of the process span
//! # Ok(())
//! # }
//! async fn handle(order: &impl Message) -> Result<(), std::fmt::Error> {
//!     assert_eq!(order.payload(), Some(&b"7 apples"[..]));
//!     Ok(())
//! }
//! ```
//!
//! Spans and metrics go to the global providers, whenever they are set. For every other choice, make
//! an [`Instrumentation`](otel::Instrumentation), and give it to a new client or wrap the one that
//! you have:
//!
//! ```
//! use otel_messaging_rdkafka as rdkafka;
//! use rdkafka::{
//!     ClientConfig, bare,
//!     consumer::{DefaultConsumerContext, StreamConsumer},
//!     otel::{Instrumentation, ProcessParent},
//!     producer::FutureProducer,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), rdkafka::error::KafkaError> {
//! # let mut config = ClientConfig::new();
//! # config.set("group.id", "billing");
//! let instrumentation = Instrumentation::builder()
//!     .with_process_parent(ProcessParent::CreationContextIfNoAmbient) // one trace, not two
//!     .build();
//! let consumer: StreamConsumer =
//!     StreamConsumer::create(&config, DefaultConsumerContext, &instrumentation)?;
//!
//! let existing: bare::producer::FutureProducer = config.create()?;
//! let producer = FutureProducer::wrap(existing, &instrumentation);
//! # Ok(())
//! # }
//! ```
//!
//! A [message] can be made of the client's own, in tests for example.
//!
//! # Batches
//!
//! [`batches`](consumer::StreamConsumer::batches) collects messages without losing one in a
//! `select!`. Each batch has ONE receive span, and its [`process`](otel::Batch::process) makes ONE
//! process span that links to every message. Links past the SDK's limit (128, or
//! `OTEL_SPAN_LINK_COUNT_LIMIT`) go to zero-length child spans; raise the limit in the SDK and in
//! [`with_link_limit`](otel::InstrumentationBuilder::with_link_limit) to have all on one span.
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
//! [`send_batch`](producer::FutureProducer::send_batch) of each producer sends several records as
//! one batch.
//!
//! # What is emitted
//!
//! | span | kind | made by | ends | links to |
//! |---|---|---|---|---|
//! | `send {topic}` | PRODUCER | `send`, `send_result` | with the delivery report | a context that the record carried |
//! | `create {topic}` | PRODUCER | each record of `send_batch` | at once | a context that the record carried |
//! | `send {topic}` | CLIENT | `send_batch`, `send_with_context` | with the last delivery report | every record's context |
//! | `poll {topic}` | CLIENT | `recv`, `poll`, `stream`, `iter`, `batches` | at the hand-over | every message's context |
//! | `process {topic}` | CONSUMER | `process` in its forms | with the handler's result | every message's context |
//! | `commit {topic}` | CLIENT | `commit…`, `send_offsets_to_transaction` | with the call | the message's context, if one is given |
//!
//! **Dropped futures.** Once the client has taken a record, its span ends with the delivery report,
//! also when the future is dropped. `cancelled` means that the client had not taken it: the future
//! was dropped while the queue was full. A process span that is dropped is `cancelled`, too. A
//! receive that is dropped has no span, and no message is lost.
//!
//! **Attributes**: `messaging.system`, `messaging.operation.name` and `.type`,
//! `messaging.destination.name` and `.partition.id`, `messaging.client.id`,
//! `messaging.consumer.group.name`, `messaging.batch.message_count`, `messaging.kafka.offset`,
//! `messaging.kafka.message.tombstone`, `messaging.kafka.cluster.id` (once the client knows it),
//! `server.address` and `server.port` (the first bootstrap server), and `error.type`. In a batch,
//! what holds for all messages is on the span, the rest on the links. Keys, headers and sizes are
//! recorded only [when asked for](otel::InstrumentationBuilder::with_message_keys), payloads never.
//!
//! **`error.type`** is the name of the client's error code, such as `QueueFull`.
//!
//! **Metrics**: `messaging.client.operation.duration` and `messaging.process.duration` in seconds,
//! `messaging.client.sent.messages` and `messaging.client.consumed.messages`. They do not depend on
//! sampling. The duration of a `poll` includes the wait for the message: on an idle topic it shows
//! how rarely messages come.
//!
//! # Which trace is it in?
//!
//! A process span is a child of what is current where the message is processed, and *links* to the
//! span that sent the message: a span has one parent, but a batch has many causes, and a consumer
//! often works under a span of its own. To have producer and consumer in one trace, choose another
//! [`ProcessParent`](otel::ProcessParent). Contexts in headers are believed: do not continue traces
//! of producers that you do not trust.
//!
//! # Use a batch span processor
//!
//! A send span ends in the thread that serves the delivery reports: the polling thread of a
//! `FutureProducer` or `ThreadedProducer`, or whichever thread polls a `BaseProducer`. A span
//! processor that blocks there, such as the SDK's simple processor with an exporter that waits for
//! its collector, stops all deliveries of that producer for as long. With the SDK's batch processor,
//! ending a span takes no more than a push to a queue.
//!
//! A panic of a span processor, an exporter, a sampler or a propagator never reaches the client.
//!
//! # What else changes
//!
//! - All producers and consumers are aliases of [`Instrumented`] around the client's own. They do
//!   not dereference to it: `get_ref` returns it, and what is done with it is not instrumented.
//! - `BaseProducer` and `ThreadedProducer` are a `Producer<InstrumentedContext<C>>` instead of a
//!   `Producer<C>`. [`InstrumentedContext`](producer::InstrumentedContext) dereferences to your
//!   context, so that `producer.context().field` stays, and a bound `impl Producer<MyContext>`
//!   changes. Their context is fixed when they are made, so that an existing one cannot be wrapped.
//! - The rebalance callbacks of a [`ConsumerContext`](consumer::ConsumerContext) get the client's
//!   own `BaseConsumer`: write [`bare::consumer::BaseConsumer`] there.
//! - [`OwnedMessage`](message::OwnedMessage) is ours, also where a failed delivery gives the message
//!   back. `into_inner` returns the client's own.
//! - Trace headers that a record carries already are replaced, however they are spelled
//!   (`Traceparent`), and read so from messages. All other headers stay as and where they are.
//! - A record that just fits `message.max.bytes` is sent without context rather than refused. A
//!   limit of the topic or of the broker may still refuse a record for the 66 bytes and more that a
//!   context takes.
//! - A background commit (`enable.auto.commit`) has no span: no call of the application makes it.
//!
//! # Cost
//!
//! With [`Instrumentation::disabled`](otel::Instrumentation::disabled) an operation costs a branch
//! and allocates nothing beside the client's own; `with_tracing(false)` and `with_metrics(false)`
//! skip that half. Headers are looked up by name. They are copied only where the context may make
//! the record too large.
//!
//! # Features
//!
//! - `otel` (default): the telemetry. Without it the API is the same, nothing of OpenTelemetry is
//!   built, and nothing is recorded, allocated or looked up for telemetry. What takes or returns a
//!   type of OpenTelemetry, such as a provider, exists with the feature only.
//! - `tokio`: the client's default runtime, as its own feature of that name.
//! - `internal-logs` (default): diagnostics through OpenTelemetry's internal logging.
//! - `bound-instruments`: faster metrics through the API's experimental bound instruments. It switches
//!   on the part of `opentelemetry_sdk` too, and implies `otel`. A meter provider of your own must
//!   implement `SyncInstrument::bind`: the API's default drops what is recorded.
//! - `tracing`: process spans are spans of `tracing` where a layer of `tracing-opentelemetry` records
//!   them, and its current span is ambient. It implies `otel`. It is for applications to choose: see
//!   [`with_subscriber_spans`](otel::InstrumentationBuilder::with_subscriber_spans).
//! - `serde`: [`CreationContext`](otel::CreationContext) can be serialized.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(unnameable_types)]
// The docs describe the build with telemetry, and name types that only that one has.
#![cfg_attr(not(feature = "otel"), allow(rustdoc::broken_intra_doc_links))]

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
pub mod otel {
    // A module, as a renamed crate would appear in errors under its own name.
    pub use otel_messaging_core::*;
}

pub use crate::instrumented::{Instrumented, KafkaClient};
