//! OpenTelemetry instrumentation for [`rdkafka`]: change one import, and every record carries its
//! trace context, every producer and consumer has its spans, links and metrics.
pub mod consumer;
mod facts;
mod failure;
pub mod message;
mod native;
pub mod producer;
mod record;
pub mod semconv;
mod settle;

/// The client itself, without instrumentation: for the few places that need its own types.
pub use ::rdkafka as bare;
pub use ::rdkafka::*;
/// How telemetry is chosen and what handlers mean: the core of the instrumentation.
pub use otel_messaging_core as otel;
