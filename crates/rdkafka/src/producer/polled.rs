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
    server,
};

/// [`rdkafka::producer::BaseProducer`], instrumented; see [`Instrumented`]. As a [`Producer`] its
/// context is an [`InstrumentedContext`].
pub type BaseProducer<C = DefaultProducerContext, Part = NoCustomPartitioner> =
    Instrumented<bare::BaseProducer<InstrumentedContext<C>, Part>>;

/// [`rdkafka::producer::ThreadedProducer`], instrumented; see [`Instrumented`]. As a [`Producer`]
/// its context is an [`InstrumentedContext`].
pub type ThreadedProducer<C, Part = NoCustomPartitioner> =
    Instrumented<bare::ThreadedProducer<InstrumentedContext<C>, Part>>;

macro_rules! polled_producer {
    (
        $producer:ident [$($bounds:tt)*] [$($own:tt)*], $end:literal
    ) => {
        impl<C, Part> KafkaClient for bare::$producer<InstrumentedContext<C>, Part>
        where
            C: ProducerContext<Part> $($bounds)*,
            Part: Partitioner $($own)*,
        {
            type Context = C;

            fn create_bare(
                config: &ClientConfig,
                context: C,
                instrumentation: &Instrumentation,
            ) -> KafkaResult<Self> {
                let opaques = Opaques::new(server::is_enabled(instrumentation));
                Self::from_config_and_context(config, InstrumentedContext::new(context, opaques))
            }

            fn instrumenter(&self, instrumentation: &Instrumentation) -> Instrumenter {
                if self.context().opaques().is_tracking() {
                    server::producer(self.client(), instrumentation)
                } else {
                    Instrumenter::disabled()
                }
            }

            fn size_limit(&self) -> usize {
                native::max_message_size(self.client())
            }
        }

        impl FromClientConfig for $producer<DefaultProducerContext> {
            fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
                Self::from_config_and_context(config, DefaultProducerContext)
            }
        }

        impl<C, Part> $producer<C, Part>
        where
            C: ProducerContext<Part> $($bounds)*,
            Part: Partitioner,
        {
            /// Sends a record, without waiting for its delivery.
            #[doc = $end]
            ///
            /// # Errors
            /// Returns the client's error and the record. It may be sent again: its context is
            /// replaced then.
            pub fn send<'a, K, P>(
                &self,
                record: BaseRecord<'a, K, P, C::DeliveryOpaque>,
            ) -> Result<(), (KafkaError, BaseRecord<'a, K, P, C::DeliveryOpaque>)>
            where
                K: ToBytes + ?Sized,
                P: ToBytes + ?Sized,
            {
                let (outgoing, operation) = self.start(record, None);
                self.hand_over(outgoing, operation)
            }

            /// Sends a record as [`send`](Self::send) does. The record carries `creation`, which
            /// the send span links to, instead of the send span's own context.
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
                let (outgoing, operation) = self.start(record, Some(creation));
                self.hand_over(outgoing, operation)
            }

            /// Sends records as one batch: a create span for each, and one send span that links to
            /// all of them and ends with the last delivery report.
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
        }
    };
}

polled_producer!(
    BaseProducer[][],
    "The span ends with the delivery report, which [`poll`](Self::poll) or [`flush`](Producer::flush) \
     fetches."
);
polled_producer!(
    ThreadedProducer [+ 'static] [+ Send + Sync + 'static],
    "The span ends with the delivery report, which the producer's own thread fetches."
);

/// Gives a record to the client with its operation in its opaque.
fn hand_over<'a, K, P, D>(
    outgoing: Outgoing<BaseRecord<'a, K, P, D>>,
    operation: ActiveOperation,
    opaques: Opaques,
    instrumenter: &Instrumenter,
    send: impl Fn(TrackedRecord<'a, K, P, D>) -> Result<(), (KafkaError, TrackedRecord<'a, K, P, D>)>,
) -> Result<(), (KafkaError, BaseRecord<'a, K, P, D>)>
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
    D: IntoOpaque,
{
    let outgoing =
        outgoing.map(|record| with_opaque(record, |opaque| opaques.make(opaque, operation)));
    outgoing.hand_over(instrumenter, send).map_err(|(error, refused)| {
        let mut operation = None;
        let record = with_opaque(refused.record, |tracked| {
            let (opaque, tracked_operation) = opaques.open(tracked);
            operation = tracked_operation;
            opaque
        });
        if let Some(operation) = operation {
            operation.reject(failure(&error));
        }
        (error, record)
    })
}

type TrackedRecord<'a, K, P, D> = BaseRecord<'a, K, P, Tracked<D>>;

/// Returns the record with the opaque that `change` makes of its own.
fn with_opaque<K, P, D, E>(
    record: BaseRecord<'_, K, P, D>,
    change: impl FnOnce(D) -> E,
) -> BaseRecord<'_, K, P, E>
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
    D: IntoOpaque,
    E: IntoOpaque,
{
    let BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque } = record;
    let delivery_opaque = change(delivery_opaque);
    BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque }
}
