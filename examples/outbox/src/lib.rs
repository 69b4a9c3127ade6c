//! A transactional outbox whose messages stay linked to what caused them.
//!
//! - [`shop`]: a request writes an order and a row of the outbox in one transaction. The row has the
//!   creation context: that of the request.
//! - [`relay`]: sends the rows to Kafka, each with its own context, not the relay's.
//! - [`night`]: books all rows of the day as one batch, which links to every request.
//! - [`outbox`]: the table between them.
//! - [`cluster`]: the Kafka it all runs on, which needs no installation.

pub mod cluster;
pub mod night;
pub mod outbox;
pub mod relay;
pub mod shop;

/// What can go wrong is reported, not handled.
pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
