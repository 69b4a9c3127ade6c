//! Runs the applications: both of a pair do the same, the diff that is shown is theirs, and every
//! link is there.

#![allow(clippy::unwrap_used, reason = "clippy spares test functions only, not what they call")]

mod differences;
mod kafka;
mod nats;
mod rabbitmq;
mod support;
mod tracing;
