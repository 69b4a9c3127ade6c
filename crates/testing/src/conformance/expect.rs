//! Builds the expected spans and metrics of a broker's client, by the conventions.

use opentelemetry::trace::SpanKind;
use otel_messaging_core::{OperationType, semconv};

use super::{Broker, Client, Failing, Place, scene::Scene};
use crate::{
    attributes::ExpectedValue,
    metrics::{ExpectedMetric, counter, histogram},
    spans::{ExpectedSpan, span},
};

pub(super) type Attributes = Vec<(&'static str, ExpectedValue)>;

#[expect(clippy::unused_self, reason = "all are methods of the scene, for uniform calls")]
impl<B: Broker> Scene<B> {
    /// Expects a span of `operation` on a destination, with its name, kind and common attributes.
    pub(super) fn span(&self, operation: OperationType, destination: &str) -> ExpectedSpan {
        let name = self.broker.destination(operation, destination);
        let labels = [(semconv::DESTINATION_NAME, name.clone().into())];
        self.span_named(operation, &name).attributes(labels)
    }

    /// Expects a span of `operation` whose name ends with `label`.
    pub(super) fn span_named(&self, operation: OperationType, label: &str) -> ExpectedSpan {
        self.span_called(operation, format!("{} {label}", self.verb(operation)))
            .attributes(B::message_attributes(operation))
    }

    /// Expects a span of `operation` without a single destination: it is named after the fallback,
    /// or else after the server.
    pub(super) fn span_of_several(&self, operation: OperationType) -> ExpectedSpan {
        let fallback = self.broker.fallback_destination(operation);
        let verb = self.verb(operation);
        let name = match fallback.or_else(|| self.server_name(operation)) {
            Some(label) => format!("{verb} {label}"),
            None => verb.to_owned(),
        };
        self.span_called(operation, name).attributes(self.fallback_attribute(operation))
    }

    fn fallback_attribute(&self, operation: OperationType) -> Attributes {
        let fallback = self.broker.fallback_destination(operation);
        fallback.map(|name| (semconv::DESTINATION_NAME, name.into())).into_iter().collect()
    }

    /// Returns the attributes of a metric for `operation` without a single destination.
    pub(super) fn common_of_several(&self, operation: OperationType) -> Attributes {
        let mut attributes = self.common(operation);
        attributes.extend(self.fallback_attribute(operation));
        attributes
    }

    /// Expects a span of `operation` whose name does not contain the destination.
    pub(super) fn span_unnamed(&self, operation: OperationType) -> ExpectedSpan {
        self.span_called(operation, self.verb(operation).to_owned())
            .attributes(B::message_attributes(operation))
    }

    fn span_called(&self, operation: OperationType, name: String) -> ExpectedSpan {
        let kind = match operation {
            OperationType::Create | OperationType::Send => SpanKind::Producer,
            OperationType::Process => SpanKind::Consumer,
            _ => SpanKind::Client,
        };
        let mut attributes = self.common(operation);
        attributes.push((semconv::OPERATION_TYPE, operation.as_str().into()));
        if operation != OperationType::Create {
            attributes.extend(self.broker.client(operation).span_attributes);
        }
        span(name).kind(kind).attributes(attributes)
    }

    /// Expects a span of `operation` on the single message at `place`.
    pub(super) fn span_at(&self, operation: OperationType, to: &str, place: Place) -> ExpectedSpan {
        self.span(operation, to)
            .attributes(partition_attribute(place))
            .attributes(self.position_attribute(operation, place))
    }

    /// Expects the span of a single send that the broker answered.
    pub(super) fn sent(&self, place: Place) -> ExpectedSpan {
        self.span_at(OperationType::Send, "orders", place)
    }

    /// Expects the span of a send that the broker did not answer.
    pub(super) fn unanswered(&self, partition: Option<u32>) -> ExpectedSpan {
        let partition = partition.filter(|_| B::PARTITIONS);
        let place = Place { partition, position: None };
        self.span(OperationType::Send, "orders").attributes(partition_attribute(place))
    }

    /// Expects the create span of a message of a batch in the first partition.
    pub(super) fn created(&self) -> ExpectedSpan {
        self.span(OperationType::Create, "orders").attributes(first_partition::<B>())
    }

    /// Expects the send span of a batch of messages in the first partition.
    pub(super) fn sent_batch(&self, count: i64) -> ExpectedSpan {
        self.batch(OperationType::Send, count).kind(SpanKind::Client)
    }

    /// Expects a span of `operation` on a batch of messages in the first partition.
    pub(super) fn batch(&self, operation: OperationType, count: i64) -> ExpectedSpan {
        self.span(operation, "orders")
            .attributes(first_partition::<B>())
            .attributes([(semconv::BATCH_MESSAGE_COUNT, count.into())])
    }

    /// Expects a span of `operation` on a batch of messages of several destinations.
    pub(super) fn span_unnamed_batch(&self, operation: OperationType, count: i64) -> ExpectedSpan {
        self.span_of_several(operation)
            .kind(SpanKind::Client)
            .attributes([(semconv::BATCH_MESSAGE_COUNT, count.into())])
            .attributes(B::message_attributes(operation))
    }

    pub(super) fn received(&self, place: Place) -> ExpectedSpan {
        self.span_at(OperationType::Receive, "orders", place)
    }

    pub(super) fn processed(&self, place: Place) -> ExpectedSpan {
        self.span_at(OperationType::Process, "orders", place)
    }

    pub(super) fn settled(&self, place: Place) -> Option<ExpectedSpan> {
        B::SETTLE.map(|_| self.span_at(OperationType::Settle, "orders", place))
    }

    /// Returns the position attribute of a message, if spans of this operation type have it.
    pub(super) fn position_attribute(&self, operation: OperationType, place: Place) -> Attributes {
        let value = place.position.map(ExpectedValue::from);
        let answered = operation == OperationType::Send && value.is_some();
        let mut attributes = if answered { self.broker.answer() } else { Vec::new() };
        attributes.extend(B::position(operation).zip(value));
        attributes
    }

    /// Returns the attributes that samplers see and metrics have, without the destination, the
    /// partition and the operation type.
    pub(super) fn common(&self, operation: OperationType) -> Attributes {
        let Client { server, group, .. } = self.broker.client(operation);
        let mut attributes = vec![
            (semconv::SYSTEM, B::SYSTEM.name().into()),
            (semconv::OPERATION_NAME, self.verb(operation).into()),
        ];
        attributes.extend(group.map(|group| (semconv::CONSUMER_GROUP_NAME, group.into())));
        if let Some((address, port)) = server {
            attributes.push((semconv::SERVER_ADDRESS, address.into()));
            attributes.extend(port.map(|port| (semconv::SERVER_PORT, port.into())));
        }
        attributes
    }

    pub(super) fn verb(&self, operation: OperationType) -> &'static str {
        match operation {
            OperationType::Send => B::SEND.name(),
            OperationType::Receive => B::RECEIVE.name(),
            OperationType::Settle => B::SETTLE.expect("the system has settlement").name(),
            other => other.as_str(),
        }
    }

    fn server_name(&self, operation: OperationType) -> Option<String> {
        let (address, port) = self.broker.client(operation).server?;
        let host = if address.contains(':') { format!("[{address}]") } else { address.into() };
        Some(port.map_or(host.clone(), |port| format!("{host}:{port}")))
    }

    /// Returns the attributes of a counter for an operation on messages of a partition.
    pub(super) fn counted(
        &self,
        operation: OperationType,
        destination: &str,
        partition: Option<u32>,
    ) -> Attributes {
        let mut attributes = self.common(operation);
        let name = self.broker.destination(operation, destination);
        attributes.push((semconv::DESTINATION_NAME, name.into()));
        attributes.extend(partition_attribute(Place { partition, position: None }));
        attributes
    }

    /// Returns the attributes of a duration for an operation on messages of a partition.
    pub(super) fn timed(
        &self,
        operation: OperationType,
        destination: &str,
        partition: Option<u32>,
    ) -> Attributes {
        typed(operation, self.counted(operation, destination, partition))
    }
}

/// Adds the attributes that a duration has and a counter does not have.
pub(super) fn typed(operation: OperationType, mut attributes: Attributes) -> Attributes {
    if operation != OperationType::Process {
        attributes.push((semconv::OPERATION_TYPE, operation.as_str().into()));
    }
    attributes
}

/// Adds the attributes of a failed operation.
pub(super) fn failed(mut attributes: Attributes, failing: &Failing) -> Attributes {
    attributes.push((semconv::ERROR_TYPE, failing.error_type.clone().into()));
    attributes
}

impl ExpectedSpan {
    /// Expects the failure that the broker declares.
    pub(super) fn failing(self, failing: &Failing) -> Self {
        self.error(failing.error_type.clone(), Some(&failing.description))
    }
}

/// Returns the partition of the messages that [`order`](super::scene::order) makes.
pub(super) fn first<B: Broker>() -> Option<u32> {
    B::PARTITIONS.then_some(0)
}

fn first_partition<B: Broker>() -> Attributes {
    partition_attribute(Place { partition: first::<B>(), position: None })
}

pub(super) fn partition_attribute(place: Place) -> Attributes {
    let partition = place.partition.map(|partition| partition.to_string().into());
    partition.map(|partition| (semconv::DESTINATION_PARTITION_ID, partition)).into_iter().collect()
}

type Points = Vec<(u64, Attributes)>;

pub(super) fn operation_duration(points: Points) -> ExpectedMetric {
    duration(semconv::CLIENT_OPERATION_DURATION, points)
}

pub(super) fn process_duration(points: Points) -> ExpectedMetric {
    duration(semconv::PROCESS_DURATION, points)
}

pub(super) fn sent_messages(points: Points) -> ExpectedMetric {
    messages(semconv::CLIENT_SENT_MESSAGES, points)
}

pub(super) fn consumed_messages(points: Points) -> ExpectedMetric {
    messages(semconv::CLIENT_CONSUMED_MESSAGES, points)
}

/// The bucket boundaries that the conventions advise. They are written out, so that a change of
/// the core's constant makes a test fail.
const BOUNDARIES: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

fn duration(name: &'static str, points: Points) -> ExpectedMetric {
    let metric = histogram(name).unit("s").boundaries(&BOUNDARIES);
    points.into_iter().fold(metric, |metric, (count, attributes)| metric.point(count, attributes))
}

fn messages(name: &'static str, points: Points) -> ExpectedMetric {
    let metric = counter(name).unit("{message}");
    points.into_iter().fold(metric, |metric, (count, attributes)| metric.point(count, attributes))
}
