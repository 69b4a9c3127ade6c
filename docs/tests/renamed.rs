//! Compiles the bare applications against the instrumented clients: where the dependency is renamed, no
//! source line changes.
//!
//! The application for NATS is left out: it moves a field out of a message, which needs `into_inner`
//! first.
#![allow(dead_code, reason = "the applications run in tests of their own")]

#[path = "../../examples/applications/kafka/bare.rs"]
mod kafka;
#[path = "../../examples/applications/rabbitmq/bare.rs"]
mod rabbitmq;
#[path = "../../examples/applications/tracing/bare.rs"]
mod tracing;
