//! The producer context that ends send spans, around the application's own.

use std::{error::Error, ops::Deref};

use otel_messaging_core::{Instrumentation, Instrumenter};
use rdkafka::{
    ClientContext, Message, Statistics,
    client::{Client, OAuthToken},
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::BorrowedMessage,
    producer::{DeliveryResult, Partitioner, ProducerContext},
};

use super::report;
use crate::{
    native::{Opaques, Tracked},
    server,
};

/// The context of a [`BaseProducer`](super::BaseProducer) or
/// [`ThreadedProducer`](super::ThreadedProducer), whose delivery reports end send spans. It
/// dereferences to the application's own.
#[derive(Clone, Debug)]
pub struct InstrumentedContext<C> {
    context: C,
    opaques: Opaques,
}

impl<C> InstrumentedContext<C> {
    pub(crate) fn new(context: C, instrumentation: &Instrumentation) -> Self {
        Self { context, opaques: Opaques::new(server::is_enabled(instrumentation)) }
    }

    pub(crate) const fn opaques(&self) -> &Opaques {
        &self.opaques
    }

    /// Makes the instrumenter of the producer. Without tracking, it could not end an operation.
    pub(crate) fn instrumenter(
        &self,
        client: &Client<Self>,
        instrumentation: &Instrumentation,
    ) -> Instrumenter
    where
        C: ClientContext,
    {
        if self.opaques.is_tracking() {
            let instrumenter = server::producer(client, instrumentation);
            self.opaques.pack_by(&instrumenter);
            instrumenter
        } else {
            Instrumenter::disabled()
        }
    }
}

impl<C> Deref for InstrumentedContext<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.context
    }
}

impl<C: ClientContext> ClientContext for InstrumentedContext<C> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = C::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        self.context.stats(statistics);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.context.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.context.generate_oauth_token(config)
    }
}

impl<C, Part> ProducerContext<Part> for InstrumentedContext<C>
where
    C: ProducerContext<Part>,
    Part: Partitioner,
{
    type DeliveryOpaque = Tracked<C::DeliveryOpaque>;

    fn delivery(&self, result: &DeliveryResult<'_>, tracked: Self::DeliveryOpaque) {
        let (opaque, operation) = self.opaques.open(tracked);
        if let Some(operation) = operation {
            let place = |message: &BorrowedMessage<'_>| (message.partition(), message.offset());
            report::end(operation, result.as_ref().map(place).map_err(|(error, _)| error));
        }
        self.context.delivery(result, opaque);
    }

    fn get_custom_partitioner(&self) -> Option<&Part> {
        self.context.get_custom_partitioner()
    }
}
