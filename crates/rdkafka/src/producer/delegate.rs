//! What the producers have in common, written once: the client's `Producer` trait by delegation,
//! and the methods of the two that hand records over without waiting.

/// The methods of `Producer<$context, $part>` for a type with the client's own in `producer` and
/// an endpoint in `sender.endpoint`: all are the client's, and sending offsets to a transaction
/// settles them (rule R17).
macro_rules! delegate_producer {
    ($client:ty, $context:ty, $part:ty) => {
        fn client(&self) -> &::rdkafka::client::Client<$context> {
            <$client as Producer<$context, $part>>::client(&self.producer)
        }

        fn in_flight_count(&self) -> i32 {
            <$client as Producer<$context, $part>>::in_flight_count(&self.producer)
        }

        fn flush<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()> {
            <$client as Producer<$context, $part>>::flush(&self.producer, timeout)
        }

        fn purge(&self, flags: ::rdkafka::producer::PurgeConfig) {
            <$client as Producer<$context, $part>>::purge(&self.producer, flags);
        }

        fn init_transactions<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()> {
            <$client as Producer<$context, $part>>::init_transactions(&self.producer, timeout)
        }

        fn begin_transaction(&self) -> KafkaResult<()> {
            <$client as Producer<$context, $part>>::begin_transaction(&self.producer)
        }

        fn send_offsets_to_transaction<T: Into<Timeout>>(
            &self,
            offsets: &::rdkafka::TopicPartitionList,
            group: &::rdkafka::consumer::ConsumerGroupMetadata,
            timeout: T,
        ) -> KafkaResult<()> {
            $crate::settle::offsets(&self.sender.endpoint, Some(offsets), || {
                <$client as Producer<$context, $part>>::send_offsets_to_transaction(
                    &self.producer,
                    offsets,
                    group,
                    timeout,
                )
            })
        }

        fn commit_transaction<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()> {
            <$client as Producer<$context, $part>>::commit_transaction(&self.producer, timeout)
        }

        fn abort_transaction<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()> {
            <$client as Producer<$context, $part>>::abort_transaction(&self.producer, timeout)
        }
    };
}

/// The methods of a producer with the client's own, which is a `$client`, in `producer` and a
/// `Sender` in `sender`. `$end` says in the docs when a span ends.
macro_rules! producer_methods {
    ($client:ty, $end:literal) => {
        /// Sends a record, without waiting for its delivery.
        #[doc = $end]
        ///
        /// # Errors
        /// Those of the client, with the record. It may be sent again: its context is replaced
        /// then.
        pub fn send<'a, K, P>(
            &self,
            record: BaseRecord<'a, K, P, C::DeliveryOpaque>,
        ) -> Result<(), (KafkaError, BaseRecord<'a, K, P, C::DeliveryOpaque>)>
        where
            K: ToBytes + ?Sized,
            P: ToBytes + ?Sized,
        {
            self.sender().send(record, None, |record| self.producer.send(record))
        }

        /// [`send`](Self::send) for a record that was created in `creation`, which it carries away
        /// instead of the send span's context; the send span links to it (rule R9).
        ///
        /// # Errors
        /// As [`send`](Self::send).
        pub fn send_created<'a, K, P>(
            &self,
            record: BaseRecord<'a, K, P, C::DeliveryOpaque>,
            creation: &CreationContext,
        ) -> Result<(), (KafkaError, BaseRecord<'a, K, P, C::DeliveryOpaque>)>
        where
            K: ToBytes + ?Sized,
            P: ToBytes + ?Sized,
        {
            self.sender().send(record, Some(creation), |record| self.producer.send(record))
        }

        /// Sends records as one batch: a create span for each, and one send span that links to all
        /// of them and ends with the last delivery report (rule R7).
        ///
        /// The results are in the order of the records.
        ///
        /// # Errors
        /// For each record as [`send`](Self::send).
        pub fn send_batch<'a, K, P>(
            &self,
            records: impl IntoIterator<Item = BaseRecord<'a, K, P, C::DeliveryOpaque>>,
        ) -> Vec<Result<(), (KafkaError, BaseRecord<'a, K, P, C::DeliveryOpaque>)>>
        where
            K: ToBytes + ?Sized,
            P: ToBytes + ?Sized,
        {
            self.sender().send_batch(records, |record| self.producer.send(record))
        }

        /// Serves delivery reports and other events, for as long as `timeout` says.
        pub fn poll<T: Into<Timeout>>(&self, timeout: T) {
            self.producer.poll(timeout);
        }

        /// The client's own producer. What is sent through it is not instrumented.
        pub const fn get_ref(&self) -> &$client {
            &self.producer
        }

        /// With what the client has learned meanwhile.
        fn sender(&self) -> &Sender {
            facts::learn_cluster(&self.sender.endpoint, self.producer.client());
            &self.sender
        }
    };
}

pub(crate) use delegate_producer;
pub(crate) use producer_methods;
