//! The client's `Producer` trait by delegation, written once for the three producers.

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

pub(crate) use delegate_producer;
