//! Compiles the bare applications against the instrumented clients: where the dependency is renamed, no
//! source line changes.
#![allow(dead_code, reason = "the applications run in tests of their own")]

#[path = "../../examples/applications/kafka/bare.rs"]
mod kafka;
#[path = "../../examples/applications/nats/bare.rs"]
mod nats;
#[path = "../../examples/applications/rabbitmq/bare.rs"]
mod rabbitmq;
