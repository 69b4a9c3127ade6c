//! How the crates of otel-messaging are tested: exact assertions, a toy broker, and one
//! conformance suite for all brokers.
//!
//! - [`telemetry`], [`spans`], [`metrics`], [`attributes`]: what a test expects, as data.
//! - [`mod@conformance`]: one test for each rule of behaviour, instantiated by every client crate.
//! - [`toy`]: a broker in memory and its instrumented client, which shows how a client crate is
//!   written.
//! - `collector` (with the feature of that name): a stand-in for an OTLP collector.
//! - `sources` (with the feature of that name): what a client has in public, so that a new release
//!   of it cannot add a way in that nobody looked at.
//!
//! # Assertions
//!
//! A test takes its providers from a [`Telemetry`](telemetry::Telemetry), does what it is about,
//! and says which spans and metrics there must be: these, with exactly this content, and no
//! other.
//!
//! ```
//! use opentelemetry::KeyValue;
//! use opentelemetry::trace::{Span as _, SpanKind, Tracer as _};
//! use otel_messaging_testing::{attributes::any, spans::span, telemetry::Telemetry};
//!
//! let telemetry = Telemetry::new();
//! let tracer = telemetry.tracer();
//! tracer.in_span("request", |context| {
//!     let send = tracer.span_builder("send orders").with_kind(SpanKind::Producer);
//!     let mut send = send.start_with_context(&tracer, &context);
//!     send.set_attribute(KeyValue::new("messaging.system", "kafka"));
//!     send.set_attribute(KeyValue::new("messaging.kafka.offset", 42));
//! });
//!
//! telemetry.assert_spans([
//!     span("request").label("request"),
//!     span("send orders").kind(SpanKind::Producer).child_of("request").attributes([
//!         ("messaging.system", "kafka".into()),
//!         ("messaging.kafka.offset", any()),
//!     ]),
//! ]);
//! ```
//!
//! # A new client crate
//!
//! Read [`toy`] and write the same for the client. Then implement [`conformance::Broker`] in an
//! integration test and call [`conformance!`]: the tests that it makes say what is missing.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod attributes;
#[cfg(feature = "collector")]
pub mod collector;
pub mod conformance;
mod difference;
pub mod faults;
mod matching;
pub mod metrics;
#[cfg(feature = "sources")]
pub mod sources;
pub mod spans;
pub mod telemetry;
pub mod toy;
