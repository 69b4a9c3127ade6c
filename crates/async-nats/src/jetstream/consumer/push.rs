//! Push-based consumers.
//!
//! Mirrors [`async_nats::jetstream::consumer::push`].

pub use ::async_nats::jetstream::consumer::push::*;
use ::async_nats::jetstream::consumer::{StreamError, push as bare};

use super::{Consumer, ask};
use crate::consumer::Incoming;

/// Messages of a push consumer.
pub type Messages = Incoming<bare::Messages>;
/// Messages of an ordered push consumer.
pub type Ordered = Incoming<bare::Ordered>;

impl Consumer<Config> {
    /// Returns a stream of the messages that are sent to the consumer's subject.
    ///
    /// Cancel safety: may be dropped and called again.
    ///
    /// # Errors
    /// Returns the client's error unchanged, with a failed receive span.
    pub async fn messages(&self) -> Result<Messages, StreamError> {
        ask(&self.connection, self.bare.messages()).await
    }
}

impl Consumer<OrderedConfig> {
    /// Returns a stream of all messages in their order.
    ///
    /// Cancel safety: may be dropped.
    ///
    /// # Errors
    /// Returns the client's error unchanged, with a failed receive span.
    pub async fn messages(self) -> Result<Ordered, StreamError> {
        ask(&self.connection, self.bare.messages()).await
    }
}
