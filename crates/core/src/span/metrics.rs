//! The four metrics of the conventions.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter},
};

use crate::{ErrorType, OperationType, semconv};

/// The four instruments of one producer or consumer.
#[derive(Debug)]
pub(crate) struct Instruments {
    operation_duration: Histogram<f64>,
    process_duration: Histogram<f64>,
    sent_messages: Counter<u64>,
    consumed_messages: Counter<u64>,
}

impl Instruments {
    pub(crate) fn new(meter: &Meter) -> Self {
        let duration = |name, description| {
            meter
                .f64_histogram(name)
                .with_description(description)
                .with_unit("s")
                .with_boundaries(semconv::DURATION_BOUNDARIES.to_vec())
                .build()
        };
        let messages = |name, description| {
            meter.u64_counter(name).with_description(description).with_unit("{message}").build()
        };
        Self {
            operation_duration: duration(
                semconv::CLIENT_OPERATION_DURATION,
                "Duration of messaging operation initiated by a producer or consumer client.",
            ),
            process_duration: duration(
                semconv::PROCESS_DURATION,
                "Duration of processing operation.",
            ),
            sent_messages: messages(
                semconv::CLIENT_SENT_MESSAGES,
                "Number of messages producer attempted to send to the broker.",
            ),
            consumed_messages: messages(
                semconv::CLIENT_CONSUMED_MESSAGES,
                "Number of messages that were delivered to the application.",
            ),
        }
    }

    /// Records an operation that took `elapsed`, and counts its messages.
    pub(crate) fn record(
        &self,
        operation: OperationType,
        series: &Series,
        elapsed: Duration,
        messages: Messages,
        error: Option<&ErrorType>,
    ) {
        let Some(duration) = self.duration(operation) else { return };
        let seconds = elapsed.as_secs_f64();
        let counter = self.counter(operation);
        match error {
            None => {
                series.record(duration, counter, seconds, messages.succeeded);
            }
            Some(error) => {
                let error = KeyValue::new(semconv::ERROR_TYPE, error.clone().into_value());
                duration.record(seconds, &with(series.duration_attributes(), &error));
                if messages.succeeded > 0 {
                    counter.add(messages.succeeded, series.message_attributes());
                }
                if messages.failed > 0 {
                    counter.add(messages.failed, &with(series.message_attributes(), &error));
                }
            }
        }
    }

    /// Creating a message is no operation of a client, so it has no duration.
    const fn duration(&self, operation: OperationType) -> Option<&Histogram<f64>> {
        match operation {
            OperationType::Create => None,
            OperationType::Process => Some(&self.process_duration),
            OperationType::Send | OperationType::Receive | OperationType::Settle => {
                Some(&self.operation_duration)
            }
        }
    }

    const fn counter(&self, operation: OperationType) -> &Counter<u64> {
        match operation {
            OperationType::Create | OperationType::Send => &self.sent_messages,
            OperationType::Receive | OperationType::Process | OperationType::Settle => {
                &self.consumed_messages
            }
        }
    }
}

/// How many messages an operation adds to its counter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Messages {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
}

/// The attributes under which an operation on one destination is recorded, built once.
#[derive(Debug)]
pub(crate) struct Series {
    /// The operation's type is the last one, which only durations have.
    attributes: Vec<KeyValue>,
    has_type: bool,
    #[cfg(feature = "bound-instruments")]
    bound: std::sync::OnceLock<Bound>,
}

impl Series {
    pub(crate) fn new(mut attributes: Vec<KeyValue>, operation: OperationType) -> Self {
        let has_type = operation != OperationType::Process;
        if has_type {
            attributes.push(KeyValue::new(semconv::OPERATION_TYPE, operation.as_str()));
        }
        Self {
            attributes,
            has_type,
            #[cfg(feature = "bound-instruments")]
            bound: std::sync::OnceLock::new(),
        }
    }

    fn duration_attributes(&self) -> &[KeyValue] {
        &self.attributes
    }

    pub(crate) fn message_attributes(&self) -> &[KeyValue] {
        &self.attributes[..self.attributes.len() - usize::from(self.has_type)]
    }

    #[cfg(not(feature = "bound-instruments"))]
    fn record(
        &self,
        duration: &Histogram<f64>,
        counter: &Counter<u64>,
        seconds: f64,
        messages: u64,
    ) {
        duration.record(seconds, self.duration_attributes());
        if messages > 0 {
            counter.add(messages, self.message_attributes());
        }
    }

    #[cfg(feature = "bound-instruments")]
    fn record(
        &self,
        duration: &Histogram<f64>,
        counter: &Counter<u64>,
        seconds: f64,
        messages: u64,
    ) {
        let bound = self.bound.get_or_init(|| Bound {
            duration: duration.bind(self.duration_attributes()),
            messages: std::sync::OnceLock::new(),
        });
        bound.duration.record(seconds);
        if messages > 0 {
            // Binding makes a series, which must not exist before a message was counted.
            let counter = || counter.bind(self.message_attributes());
            bound.messages.get_or_init(counter).add(messages);
        }
    }
}

#[cfg(feature = "bound-instruments")]
#[derive(Debug)]
struct Bound {
    duration: opentelemetry::metrics::BoundHistogram<f64>,
    messages: std::sync::OnceLock<opentelemetry::metrics::BoundCounter<u64>>,
}

fn with(attributes: &[KeyValue], error: &KeyValue) -> Vec<KeyValue> {
    let mut all = Vec::with_capacity(attributes.len() + 1);
    all.extend_from_slice(attributes);
    all.push(error.clone());
    all
}
