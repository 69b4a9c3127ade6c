//! Tests messaging instrumentation: assertions on spans and metrics, a toy broker, and one
//! conformance suite for all brokers.
//!
//! - [`telemetry`], [`spans`], [`metrics`], [`attributes`]: record spans and metrics, and assert
//!   what was recorded.
//! - [`faults`]: samplers, span processors and propagators that panic, to test that telemetry code
//!   never makes the client fail.
//! - [`rungs`]: instrumentations from no telemetry to all, for tests that count allocations.
//! - [`mod@conformance`]: one test for each rule of behaviour. Each client crate runs it.
//! - [`toy`]: an in-memory broker and its instrumented client, an example of a client crate.
//! - `collector` (with the feature of that name): an OTLP collector that runs in a test.
//! - [`write_html`](telemetry::Telemetry#method.write_html) (with the feature `html`): writes what a
//!   test recorded as a page that follows links; by itself if the test fails, where the environment
//!   variable `OTEL_MESSAGING_HTML` names a directory.
//! - `sources` (with the feature of that name): lists the public methods of a client, so that a
//!   test fails if a new release adds one that is not instrumented.
//!
//! # Assertions
//!
//! Take the providers of a test from a [`Telemetry`](telemetry::Telemetry), run the code, and
//! assert what it recorded. [`assert_spans`](telemetry::Telemetry::assert_spans) and
//! [`assert_metrics`](telemetry::Telemetry::assert_metrics) are exact: a missing, different or
//! unexpected span, link or attribute fails the test.
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
//! The test of an application's handler names what matters and ignores the rest.
//! [`assert_includes`](telemetry::Telemetry::assert_includes) ignores spans that are not listed, and
//! [`includes`](spans::ExpectedSpan::includes) what is not named of a span.
//! [`assert_metrics_include`](telemetry::Telemetry::assert_metrics_include) does both for metrics:
//!
//! ```
//! # use opentelemetry::KeyValue;
//! # use opentelemetry::trace::{Span as _, SpanKind, Tracer as _};
//! # use otel_messaging_testing::{spans::span, telemetry::Telemetry};
//! # let telemetry = Telemetry::new();
//! # let tracer = telemetry.tracer();
//! # tracer.in_span("ignored", |_| {});
//! # let send = tracer.span_builder("send orders").with_kind(SpanKind::Producer);
//! # let mut send = send.start(&tracer);
//! # send.set_attribute(KeyValue::new("messaging.system", "kafka"));
//! # send.set_attribute(KeyValue::new("messaging.kafka.offset", 42));
//! # send.end();
//! let send = span("send orders").includes([("messaging.system", "kafka".into())]);
//! telemetry.assert_includes([send]);
//! ```
//!
//! [Test your handler](https://docs.rs/otel-messaging#test-your-handler) has the messages to test
//! with: an embedded Kafka, a mocked delivery of lapin, a message of NATS made by hand.
//!
//! # A new client crate
//!
//! Read [`toy`], and write the same modules for the client. Then implement [`conformance::Broker`]
//! in an integration test and call [`conformance!`]. Its tests fail for each rule that the crate
//! does not follow yet.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod attributes;
#[cfg(feature = "collector")]
pub mod collector;
pub mod conformance;
mod difference;
pub mod faults;
mod matching;
pub mod metrics;
pub mod rungs;
#[cfg(feature = "sources")]
pub mod sources;
pub mod spans;
pub mod telemetry;
pub mod toy;
