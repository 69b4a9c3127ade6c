//! Shared by the tests on real brokers: the endpoints, unique names, and brokers for one test.
//!
//! `cargo xtask test` brings the brokers up and sets their endpoints in the environment. Without
//! them, a test fails and says what to do.

#![allow(clippy::missing_panics_doc, reason = "panicking is how tests tell")]

mod own_broker;
mod service;

use std::{
    env, process,
    sync::atomic::{AtomicU32, Ordering},
    time::SystemTime,
};

pub use own_broker::OwnBroker;
pub use service::exporting;

/// The bootstrap servers of Apache Kafka: `127.0.0.1:9092`
pub fn kafka() -> String {
    endpoint("OTEL_MESSAGING_KAFKA", "kafka")
}

/// The URI of RabbitMQ: `amqp://guest:guest@127.0.0.1:5672/%2f`
pub fn rabbitmq() -> String {
    endpoint("OTEL_MESSAGING_RABBITMQ", "rabbitmq")
}

/// The address of a NATS server with JetStream: `127.0.0.1:4222`
pub fn nats() -> String {
    endpoint("OTEL_MESSAGING_NATS", "nats")
}

fn endpoint(variable: &str, broker: &str) -> String {
    let endpoint = env::var(variable).unwrap_or_default();
    assert!(
        !endpoint.is_empty(),
        "{variable} does not say where the broker is: run `cargo xtask test`, which starts one, or \
         `cargo xtask brokers up {broker}`, and set {variable} to the endpoint that it shows"
    );
    endpoint
}

/// Returns a suffix that is unique, also between runs: brokers keep topics and queues.
pub fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    format!("{now:x}-{:x}-{:x}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
