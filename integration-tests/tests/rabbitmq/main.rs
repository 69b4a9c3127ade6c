//! The instrumented lapin on RabbitMQ.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod closed;
mod conformance;
mod consume;
mod headers;
mod publish;
mod reply;
mod retry;
mod settle;
mod shop;
