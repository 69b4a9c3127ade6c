//! The producers that hand records over without waiting: one that the application polls, and one
//! with a polling thread.

use otel_messaging_core::{ActiveOperation, CreationContext, Instrumentation, Instrumenter};
use rdkafka::{
    ClientConfig,
    config::{FromClientConfig, FromClientConfigAndContext},
    error::{KafkaError, KafkaResult},
    message::ToBytes,
    producer::{
        self as bare, BaseRecord, DefaultProducerContext, NoCustomPartitioner, Partitioner,
        Producer, ProducerContext,
    },
    util::{IntoOpaque, Timeout},
};

use super::InstrumentedContext;
use crate::{
    Instrumented, KafkaClient,
    error_type::failure,
    native::{self, Opaques, Tracked},
    outgoing::Outgoing,
};

/// [`rdkafka::producer::BaseProducer`], instrumented; see [`Instrumented`]. As a [`Producer`] its
/// context is an [`InstrumentedContext`].
pub type BaseProducer<C = DefaultProducerContext, Part = NoCustomPartitioner> =
    Instrumented<bare::BaseProducer<InstrumentedContext<C>, Part>>;

/// [`rdkafka::producer::ThreadedProducer`], instrumented; see [`Instrumented`]. As a [`Producer`]
/// its context is an [`InstrumentedContext`].
pub type ThreadedProducer<C, Part = NoCustomPartitioner> =
    Instrumented<bare::ThreadedProducer<InstrumentedContext<C>, Part>>;

impl<C, Part> KafkaClient for bare::BaseProducer<InstrumentedContext<C>, Part>
where
    C: ProducerContext<Part>,
    Part: Partitioner,
{
    type Context = C;

    fn create_bare(
        config: &ClientConfig,
        context: C,
        instrumentation: &Instrumentation,
    ) -> KafkaResult<Self> {
        let context = InstrumentedContext::new(context, instrumentation);
        Self::from_config_and_context(config, context)
    }

    fn instrumenter(&self, instrumentation: &Instrumentation) -> Instrumenter {
        self.context().instrumenter(self.client(), instrumentation)
    }

    fn size_limit(&self) -> usize {
        native::max_message_size(self.client())
    }
}

impl<C, Part> KafkaClient for bare::ThreadedProducer<InstrumentedContext<C>, Part>
where
    C: ProducerContext<Part> + 'static,
    Part: Partitioner + Send + Sync + 'static,
{
    type Context = C;

    fn create_bare(
        config: &ClientConfig,
        context: C,
        instrumentation: &Instrumentation,
    ) -> KafkaResult<Self> {
        let context = InstrumentedContext::new(context, instrumentation);
        Self::from_config_and_context(config, context)
    }

    fn instrumenter(&self, instrumentation: &Instrumentation) -> Instrumenter {
        self.context().instrumenter(self.client(), instrumentation)
    }

    fn size_limit(&self) -> usize {
        native::max_message_size(self.client())
    }
}

impl FromClientConfig for BaseProducer {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultProducerContext)
    }
}

impl FromClientConfig for ThreadedProducer<DefaultProducerContext> {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultProducerContext)
    }
}

/// Defines the methods of a producer. `$end` says in the docs when a span ends.
macro_rules! producer_methods {
    ($end:literal) => {
        /// Sends a record, without waiting for its delivery.
        #[doc = $end]
        ///
        /// # Errors
        /// Returns the client's error and the record. It may be sent again: its context is replaced
        /// then.
        pub fn send<'a, K, P>(
            &self,
            record: BaseRecord<'a, K, P, C::DeliveryOpaque>,
        ) -> Result<(), (KafkaError, BaseRecord<'a, K, P, C::DeliveryOpaque>)>
        where
            K: ToBytes + ?Sized,
            P: ToBytes + ?Sized,
        {
            let opaques = self.client.context().opaques();
            if !opaques.is_tracking() {
                return pass_on(record, opaques, |record| self.client.send(record));
            }
            let mut outgoing = Outgoing::new(record, self.size_limit);
            let operation = self.start(&mut outgoing, None);
            self.hand_over(outgoing, operation)
        }

        /// Sends a record as [`send`](Self::send) does. The record carries `creation`, which the
        /// send span links to, instead of the send span's own context.
        ///
        /// # Errors
        /// Returns the client's error and the record.
        pub fn send_with_context<'a, K, P>(
            &self,
            record: BaseRecord<'a, K, P, C::DeliveryOpaque>,
            creation: &CreationContext,
        ) -> Result<(), (KafkaError, BaseRecord<'a, K, P, C::DeliveryOpaque>)>
        where
            K: ToBytes + ?Sized,
            P: ToBytes + ?Sized,
        {
            let mut outgoing = Outgoing::new(record, self.size_limit);
            let operation = self.start(&mut outgoing, Some(creation));
            self.hand_over(outgoing, operation)
        }

        /// Sends records as one batch: a create span for each, and one send span that links to all
        /// of them and ends with the last delivery report.
        ///
        /// The results are in the order of the records.
        ///
        /// # Errors
        /// Returns the client's error and the record for each record that it refuses.
        pub fn send_batch<'a, K, P>(
            &self,
            records: impl IntoIterator<Item = BaseRecord<'a, K, P, C::DeliveryOpaque>>,
        ) -> Vec<Result<(), (KafkaError, BaseRecord<'a, K, P, C::DeliveryOpaque>)>>
        where
            K: ToBytes + ?Sized,
            P: ToBytes + ?Sized,
        {
            let batch = self.start_batch(records);
            batch.map(|(outgoing, operation)| self.hand_over(outgoing, operation)).collect()
        }

        /// Serves delivery reports and other events, for as long as `timeout` says.
        pub fn poll<T: Into<Timeout>>(&self, timeout: T) {
            self.client.poll(timeout);
        }

        fn hand_over<'a, K, P>(
            &self,
            outgoing: Outgoing<BaseRecord<'a, K, P, C::DeliveryOpaque>>,
            operation: ActiveOperation,
        ) -> Result<(), (KafkaError, BaseRecord<'a, K, P, C::DeliveryOpaque>)>
        where
            K: ToBytes + ?Sized,
            P: ToBytes + ?Sized,
        {
            let opaques = self.client.context().opaques();
            let send = |record| self.client.send(record);
            hand_over(outgoing, operation, opaques, &self.instrumenter, send)
        }
    };
}

impl<C, Part> BaseProducer<C, Part>
where
    C: ProducerContext<Part>,
    Part: Partitioner,
{
    producer_methods!(
        "The span ends with the delivery report, which [`poll`](Self::poll) or \
         [`flush`](Producer::flush) fetches."
    );
}

impl<C, Part> ThreadedProducer<C, Part>
where
    C: ProducerContext<Part> + 'static,
    Part: Partitioner,
{
    producer_methods!(
        "The span ends with the delivery report, which the producer's own thread fetches."
    );
}

/// Gives a record to the client with its operation in its opaque.
fn hand_over<'a, K, P, D>(
    outgoing: Outgoing<BaseRecord<'a, K, P, D>>,
    mut operation: ActiveOperation,
    opaques: &Opaques,
    instrumenter: &Instrumenter,
    send: impl Fn(TrackedRecord<'a, K, P, D>) -> Sent<TrackedRecord<'a, K, P, D>>,
) -> Sent<BaseRecord<'a, K, P, D>>
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
    D: IntoOpaque,
{
    let span = operation.take_span();
    let tracked =
        outgoing.map(|record| map_opaque(record, |opaque| opaques.make(opaque, operation)));
    match tracked.hand_over(instrumenter, send) {
        Ok(()) => {
            span.end();
            Ok(())
        }
        Err((error, refused)) => {
            let record = map_opaque(refused.record, |tracked| {
                let (opaque, operation) = opaques.open(tracked);
                for refused in operation.into_iter().chain([span]) {
                    refused.reject(failure(&error));
                }
                opaque
            });
            Err((error, record))
        }
    }
}

/// Gives a record to the client of a producer that tracks no operations.
fn pass_on<'a, K, P, D>(
    record: BaseRecord<'a, K, P, D>,
    opaques: &Opaques,
    send: impl Fn(TrackedRecord<'a, K, P, D>) -> Sent<TrackedRecord<'a, K, P, D>>,
) -> Sent<BaseRecord<'a, K, P, D>>
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
    D: IntoOpaque,
{
    send(map_opaque(record, Tracked::alone))
        .map_err(|(error, record)| (error, map_opaque(record, |tracked| opaques.open(tracked).0)))
}

type TrackedRecord<'a, K, P, D> = BaseRecord<'a, K, P, Tracked<D>>;
/// A record that the client refuses comes back.
type Sent<R> = Result<(), (KafkaError, R)>;

/// Puts a record's opaque into another form.
fn map_opaque<K, P, D, E>(
    record: BaseRecord<'_, K, P, D>,
    form: impl FnOnce(D) -> E,
) -> BaseRecord<'_, K, P, E>
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
    D: IntoOpaque,
    E: IntoOpaque,
{
    let BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque } = record;
    let delivery_opaque = form(delivery_opaque);
    BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque }
}
