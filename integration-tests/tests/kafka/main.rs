//! The Kafka wrappers on Apache Kafka.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod compaction;
mod conformance;
#[path = "../../../crates/rdkafka/tests/harness/mod.rs"]
mod harness;
mod links;
mod many;
mod processes;
mod rebalance;
mod refused;
mod restart;
mod shop;
#[path = "../../../crates/rdkafka/tests/support/mod.rs"]
mod support;
mod topics;
mod transactions;
