//! The client's `Consumer` trait by delegation, written once for both consumers.

/// Implements `Consumer` for a type with the client's own in `consumer` and an `endpoint`: all
/// methods are the client's, and those that commit are settle spans (rule R17). Storing an offset
/// settles nothing: what is stored is committed later, in the background.
///
/// It also gives the type a `commit_message` of its own, which knows our messages.
macro_rules! delegate_consumer {
    ([$($generics:tt)*] $type:ty, $client:ty) => {
        impl<$($generics)*> $type {
            /// Commits the offset of a message, in a settle span that is linked to the message's
            /// creation context. With `CommitMode::Async` the span ends at the hand-over, and the
            /// result goes to the consumer context's `commit_callback`.
            ///
            /// # Errors
            /// Those of the client.
            pub fn commit_message(
                &self,
                message: &$crate::message::BorrowedMessage<'_>,
                mode: ::rdkafka::consumer::CommitMode,
            ) -> KafkaResult<()> {
                let received = ::otel_messaging_core::AsReceived::as_received(message);
                let operation = received.settle($crate::semconv::COMMIT);
                $crate::settle::end(operation, self.consumer.commit_message(message, mode))
            }
        }

        impl<$($generics)*> Consumer<C> for $type {
            fn client(&self) -> &::rdkafka::client::Client<C> {
                self.consumer.client()
            }

            fn group_metadata(&self) -> Option<::rdkafka::consumer::ConsumerGroupMetadata> {
                self.consumer.group_metadata()
            }

            fn subscribe(&self, topics: &[&str]) -> KafkaResult<()> {
                self.consumer.subscribe(topics)
            }

            fn unsubscribe(&self) {
                self.consumer.unsubscribe();
            }

            fn assign(&self, assignment: &::rdkafka::TopicPartitionList) -> KafkaResult<()> {
                self.consumer.assign(assignment)
            }

            fn unassign(&self) -> KafkaResult<()> {
                self.consumer.unassign()
            }

            fn incremental_assign(
                &self,
                assignment: &::rdkafka::TopicPartitionList,
            ) -> KafkaResult<()> {
                self.consumer.incremental_assign(assignment)
            }

            fn incremental_unassign(
                &self,
                assignment: &::rdkafka::TopicPartitionList,
            ) -> KafkaResult<()> {
                self.consumer.incremental_unassign(assignment)
            }

            fn assignment_lost(&self) -> bool {
                self.consumer.assignment_lost()
            }

            fn seek<T: Into<Timeout>>(
                &self,
                topic: &str,
                partition: i32,
                offset: ::rdkafka::Offset,
                timeout: T,
            ) -> KafkaResult<()> {
                self.consumer.seek(topic, partition, offset, timeout)
            }

            fn seek_partitions<T: Into<Timeout>>(
                &self,
                partitions: ::rdkafka::TopicPartitionList,
                timeout: T,
            ) -> KafkaResult<::rdkafka::TopicPartitionList> {
                self.consumer.seek_partitions(partitions, timeout)
            }

            fn commit(
                &self,
                offsets: &::rdkafka::TopicPartitionList,
                mode: ::rdkafka::consumer::CommitMode,
            ) -> KafkaResult<()> {
                $crate::settle::offsets(&self.endpoint, Some(offsets), || {
                    self.consumer.commit(offsets, mode)
                })
            }

            fn commit_consumer_state(
                &self,
                mode: ::rdkafka::consumer::CommitMode,
            ) -> KafkaResult<()> {
                $crate::settle::offsets(&self.endpoint, None, || {
                    self.consumer.commit_consumer_state(mode)
                })
            }

            fn commit_message(
                &self,
                message: &::rdkafka::message::BorrowedMessage<'_>,
                mode: ::rdkafka::consumer::CommitMode,
            ) -> KafkaResult<()> {
                let received = self.endpoint.hold($crate::message::Delivered(message));
                let operation = received.settle($crate::semconv::COMMIT);
                $crate::settle::end(operation, self.consumer.commit_message(message, mode))
            }

            fn store_offset(&self, topic: &str, partition: i32, offset: i64) -> KafkaResult<()> {
                self.consumer.store_offset(topic, partition, offset)
            }

            fn store_offset_from_message(
                &self,
                message: &::rdkafka::message::BorrowedMessage<'_>,
            ) -> KafkaResult<()> {
                self.consumer.store_offset_from_message(message)
            }

            fn store_offsets(&self, offsets: &::rdkafka::TopicPartitionList) -> KafkaResult<()> {
                self.consumer.store_offsets(offsets)
            }

            fn subscription(&self) -> KafkaResult<::rdkafka::TopicPartitionList> {
                self.consumer.subscription()
            }

            fn assignment(&self) -> KafkaResult<::rdkafka::TopicPartitionList> {
                self.consumer.assignment()
            }

            fn committed<T: Into<Timeout>>(
                &self,
                timeout: T,
            ) -> KafkaResult<::rdkafka::TopicPartitionList> {
                self.consumer.committed(timeout)
            }

            fn committed_offsets<T: Into<Timeout>>(
                &self,
                partitions: ::rdkafka::TopicPartitionList,
                timeout: T,
            ) -> KafkaResult<::rdkafka::TopicPartitionList> {
                self.consumer.committed_offsets(partitions, timeout)
            }

            fn offsets_for_timestamp<T: Into<Timeout>>(
                &self,
                timestamp: i64,
                timeout: T,
            ) -> KafkaResult<::rdkafka::TopicPartitionList> {
                self.consumer.offsets_for_timestamp(timestamp, timeout)
            }

            fn offsets_for_times<T: Into<Timeout>>(
                &self,
                timestamps: ::rdkafka::TopicPartitionList,
                timeout: T,
            ) -> KafkaResult<::rdkafka::TopicPartitionList> {
                self.consumer.offsets_for_times(timestamps, timeout)
            }

            fn position(&self) -> KafkaResult<::rdkafka::TopicPartitionList> {
                self.consumer.position()
            }

            fn fetch_metadata<T: Into<Timeout>>(
                &self,
                topic: Option<&str>,
                timeout: T,
            ) -> KafkaResult<::rdkafka::metadata::Metadata> {
                self.consumer.fetch_metadata(topic, timeout)
            }

            fn fetch_watermarks<T: Into<Timeout>>(
                &self,
                topic: &str,
                partition: i32,
                timeout: T,
            ) -> KafkaResult<(i64, i64)> {
                self.consumer.fetch_watermarks(topic, partition, timeout)
            }

            fn fetch_group_list<T: Into<Timeout>>(
                &self,
                group: Option<&str>,
                timeout: T,
            ) -> KafkaResult<::rdkafka::groups::GroupList> {
                self.consumer.fetch_group_list(group, timeout)
            }

            fn pause(&self, partitions: &::rdkafka::TopicPartitionList) -> KafkaResult<()> {
                self.consumer.pause(partitions)
            }

            fn resume(&self, partitions: &::rdkafka::TopicPartitionList) -> KafkaResult<()> {
                self.consumer.resume(partitions)
            }

            fn rebalance_protocol(&self) -> ::rdkafka::consumer::RebalanceProtocol {
                self.consumer.rebalance_protocol()
            }
        }
    };
}

pub(super) use delegate_consumer;
