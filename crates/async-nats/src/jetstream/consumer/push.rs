//! Consumers that send messages by themselves.
//!
//! Mirrors [`async_nats::jetstream::consumer::push`].

pub use ::async_nats::jetstream::consumer::push::*;
use ::async_nats::jetstream::consumer::{StreamError, push as bare};

use super::{Consumer, ask};
use crate::incoming::Incoming;

/// The messages of a push consumer.
pub type Messages = Incoming<bare::Messages>;
/// The messages of an ordered push consumer.
pub type Ordered = Incoming<bare::Ordered>;

impl Consumer<Config> {
    /// A stream of what is sent to the consumer's subject.
    ///
    /// # Errors
    /// Those of the client, with a failed receive span.
    pub async fn messages(&self) -> Result<Messages, StreamError> {
        ask(&self.connection, self.consumer.messages()).await
    }
}

impl Consumer<OrderedConfig> {
    /// A stream of all messages in their order.
    ///
    /// # Errors
    /// Those of the client, with a failed receive span.
    pub async fn messages(self) -> Result<Ordered, StreamError> {
        ask(&self.connection, self.consumer.messages()).await
    }
}
