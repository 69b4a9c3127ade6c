//! The producer context that ends send spans, around the application's own.

use std::{error::Error, ops::Deref};

use rdkafka::{
    ClientContext, Message, Statistics,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    error::KafkaError,
    producer::{DeliveryResult, Partitioner, ProducerContext},
};

use super::report::Pending;

/// A producer context of the application's, with delivery reports that end send spans.
///
/// It is the context of a [`BaseProducer`](super::BaseProducer) or
/// [`ThreadedProducer`](super::ThreadedProducer), and dereferences to the application's.
#[derive(Clone, Debug)]
pub struct Instrumented<C>(C);

impl<C> Instrumented<C> {
    pub(crate) const fn new(context: C) -> Self {
        Self(context)
    }
}

impl<C> Deref for Instrumented<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C: ClientContext> ClientContext for Instrumented<C> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = C::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        self.0.stats(statistics);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.0.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.0.generate_oauth_token(config)
    }
}

impl<C, Part> ProducerContext<Part> for Instrumented<C>
where
    C: ProducerContext<Part>,
    Part: Partitioner,
{
    type DeliveryOpaque = Box<Tracked<C::DeliveryOpaque>>;

    fn delivery(&self, result: &DeliveryResult<'_>, tracked: Self::DeliveryOpaque) {
        let Tracked { pending, opaque } = *tracked;
        match result {
            Ok(message) => pending.delivered(message.partition(), message.offset()),
            Err((error, _)) => pending.failed(error),
        }
        self.0.delivery(result, opaque);
    }

    fn get_custom_partitioner(&self) -> Option<&Part> {
        self.0.get_custom_partitioner()
    }
}

/// What goes through the client with a record: the application's opaque, and the operation that
/// the delivery report ends.
#[derive(Debug)]
pub struct Tracked<D> {
    pub(crate) pending: Pending,
    pub(crate) opaque: D,
}
