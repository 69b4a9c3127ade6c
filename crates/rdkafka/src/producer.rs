//! Kafka producers whose records carry the context they were sent in.
//!
//! Mirrors [`rdkafka::producer`]: the producers stand under their own names. Each span ends with
//! the delivery report, whatever becomes of the future or of the caller (rule R10).

mod base;
mod context;
mod delegate;
mod delivery;
mod future;
mod report;
mod threaded;

pub use rdkafka::producer::*;

pub use self::{
    base::BaseProducer,
    context::{Instrumented, Tracked},
    delivery::DeliveryFuture,
    future::FutureProducer,
    threaded::ThreadedProducer,
};

/// Mirrors [`rdkafka::producer::base_producer`].
pub mod base_producer {
    pub use rdkafka::producer::base_producer::*;

    pub use super::{BaseProducer, ThreadedProducer};
}

/// Mirrors [`rdkafka::producer::future_producer`].
pub mod future_producer {
    pub use rdkafka::producer::future_producer::*;

    pub use super::{DeliveryFuture, FutureProducer, delivery::OwnedDeliveryResult};
}
