//! Kafka consumers whose messages know the context they were created in.
//!
//! Mirrors [`rdkafka::consumer`]: the consumers stand under their own names. Each message that is
//! handed over has its receive span (rule R11), each batch one (R14), each commit its settle span
//! (R17).

mod base;
mod batches;
mod delegate;
mod stream;

use otel_messaging_core::{Clock, Endpoint};
pub use rdkafka::consumer::*;
use rdkafka::{
    ClientContext,
    client::Client,
    error::{KafkaError, KafkaResult},
    message as bare,
};

pub use self::{
    base::BaseConsumer,
    batches::Batches,
    stream::{MessageStream, StreamConsumer},
};
use crate::{
    facts, failure,
    message::{BorrowedMessage, Delivered},
    semconv,
};

/// Mirrors [`rdkafka::consumer::base_consumer`].
pub mod base_consumer {
    pub use super::base::{BaseConsumer, Iter, PartitionQueue};
}

/// Mirrors [`rdkafka::consumer::stream_consumer`].
pub mod stream_consumer {
    pub use super::{
        batches::Batches,
        stream::{MessageStream, StreamConsumer, StreamPartitionQueue},
    };
}

/// Tells of what the client handed to the application.
fn handed_over<'a, C: ClientContext>(
    endpoint: &Endpoint,
    client: &Client<C>,
    clock: Clock,
    result: KafkaResult<bare::BorrowedMessage<'a>>,
) -> KafkaResult<BorrowedMessage<'a>> {
    facts::learn_cluster(endpoint, client);
    match result {
        Ok(message) => {
            let received = endpoint.receive(semconv::POLL, clock, Delivered(message));
            Ok(BorrowedMessage::new(received))
        }
        Err(error) => {
            failed(endpoint, clock, &error);
            Err(error)
        }
    }
}

/// The end of a partition is no failure: the client was asked to tell of it.
fn failed(endpoint: &Endpoint, clock: Clock, error: &KafkaError) {
    if !matches!(error, KafkaError::PartitionEOF(_)) {
        endpoint.receive_failed(semconv::POLL, clock, None, failure::of(error));
    }
}
