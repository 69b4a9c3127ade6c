//! The four metrics of the conventions.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use opentelemetry::{
    KeyValue,
    metrics::{Histogram, Meter},
};

use crate::{
    ErrorType, OperationType, semconv,
    span::counter::{MessageCounter, Sum},
};

/// The four instruments of one producer or consumer.
#[derive(Debug)]
pub(crate) struct Instruments {
    operation_duration: Histogram<f64>,
    process_duration: Histogram<f64>,
    sent_messages: MessageCounter,
    consumed_messages: MessageCounter,
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
            let counter = meter.u64_counter(name).with_description(description);
            MessageCounter::new(meter, counter.with_unit("{message}").build())
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
        series.count(counter, messages.succeeded);
        match error {
            None => series.record(duration, seconds),
            Some(error) => {
                let error = KeyValue::new(semconv::ERROR_TYPE, error.clone().into_value());
                duration.record(seconds, &with(&series.attributes, &error));
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

    const fn counter(&self, operation: OperationType) -> &MessageCounter {
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
    /// Whether many operations share the series: if not, no sum is made for it.
    is_kept: bool,
    sum: OnceLock<Arc<Sum>>,
    #[cfg(feature = "bound-instruments")]
    duration: OnceLock<opentelemetry::metrics::BoundHistogram<f64>>,
}

impl Series {
    pub(crate) fn new(
        mut attributes: Vec<KeyValue>,
        operation: OperationType,
        is_kept: bool,
    ) -> Self {
        let has_type = operation != OperationType::Process;
        if has_type {
            attributes.push(KeyValue::new(semconv::OPERATION_TYPE, operation.as_str()));
        }
        Self {
            attributes,
            has_type,
            is_kept,
            sum: OnceLock::new(),
            #[cfg(feature = "bound-instruments")]
            duration: OnceLock::new(),
        }
    }

    pub(crate) const fn is_kept(&self) -> bool {
        self.is_kept
    }

    fn message_attributes(&self) -> &[KeyValue] {
        &self.attributes[..self.attributes.len() - usize::from(self.has_type)]
    }

    fn count(&self, counter: &MessageCounter, messages: u64) {
        if messages == 0 {
            return;
        }
        if self.is_kept && counter.collects() {
            self.sum.get_or_init(|| counter.sum(self.message_attributes())).add(messages);
        } else {
            counter.add(messages, self.message_attributes());
        }
    }

    #[cfg(not(feature = "bound-instruments"))]
    fn record(&self, duration: &Histogram<f64>, seconds: f64) {
        duration.record(seconds, &self.attributes);
    }

    #[cfg(feature = "bound-instruments")]
    fn record(&self, duration: &Histogram<f64>, seconds: f64) {
        if self.is_kept {
            self.duration.get_or_init(|| duration.bind(&self.attributes)).record(seconds);
        } else {
            duration.record(seconds, &self.attributes);
        }
    }
}

fn with(attributes: &[KeyValue], error: &KeyValue) -> Vec<KeyValue> {
    let mut all = Vec::with_capacity(attributes.len() + 1);
    all.extend_from_slice(attributes);
    all.push(error.clone());
    all
}
