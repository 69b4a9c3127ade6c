//! The NATS wrappers on a real server.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod conformance;
mod consuming;
mod harness;
mod publishing;
mod scenarios;
mod support;
