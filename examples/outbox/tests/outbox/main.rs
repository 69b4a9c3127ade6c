//! The outbox, from the request to the batch of the night, to the last link. It needs no broker.

#![allow(clippy::unwrap_used, reason = "clippy spares test functions only, not what they call")]

mod night;
mod program;
mod relay;
mod shop;
mod support;
