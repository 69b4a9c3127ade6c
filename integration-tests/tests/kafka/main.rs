//! The Kafka wrappers on Apache Kafka.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod conformance;
#[path = "../../../crates/rdkafka/tests/harness/mod.rs"]
mod harness;
#[path = "../../../crates/rdkafka/tests/support/mod.rs"]
mod support;
mod topics;
