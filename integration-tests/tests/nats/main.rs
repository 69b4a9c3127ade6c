//! The NATS wrappers on a real server.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

mod conformance;
mod consuming;
mod harness;
mod publishing;
mod scenarios;
mod support;
