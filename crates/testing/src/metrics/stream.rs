//! Collected metrics.

use std::{
    fmt::{self, Display, Formatter},
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        Temporality,
        data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics},
        exporter::PushMetricExporter,
    },
};

use crate::attributes::show_attributes;

/// Keeps the metrics of the last collection, which includes the earlier ones: they are cumulative.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exporter(Arc<Mutex<Vec<Stream>>>);

/// A metric of one scope, with all its data points.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(super) scope: InstrumentationScope,
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) kind: Kind,
    /// The upper bounds of a histogram's buckets.
    pub(super) boundaries: Vec<f64>,
    /// The data points of a counter or histogram. Another kind is never equal, so it has none.
    pub(super) points: Vec<Point>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Cumulative and monotonic, of `u64`.
    Counter,
    /// Cumulative, of `f64`.
    Histogram,
    /// Any other kind, described in words.
    Other(String),
}

#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) attributes: Vec<KeyValue>,
    /// The value of a counter, or the number of values that a histogram recorded.
    pub(super) count: u64,
    /// The sum of the values that a histogram recorded.
    pub(super) sum: Option<f64>,
}

impl Exporter {
    pub(super) fn take(&self) -> Vec<Stream> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl PushMetricExporter for Exporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let streams = metrics.scope_metrics().flat_map(|scope_metrics| {
            let scope = scope_metrics.scope();
            scope_metrics.metrics().map(|metric| Stream::new(scope.clone(), metric))
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = streams.collect();
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

impl Stream {
    fn new(scope: InstrumentationScope, metric: &Metric) -> Self {
        let (mut boundaries, mut points) = (Vec::new(), Vec::new());
        let kind = match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum))
                if sum.is_monotonic() && sum.temporality() == Temporality::Cumulative =>
            {
                points.extend(sum.data_points().map(|point| Point {
                    attributes: point.attributes().cloned().collect(),
                    count: point.value(),
                    sum: None,
                }));
                Kind::Counter
            }
            AggregatedMetrics::F64(MetricData::Histogram(histogram))
                if histogram.temporality() == Temporality::Cumulative =>
            {
                points.extend(histogram.data_points().map(|point| Point {
                    attributes: point.attributes().cloned().collect(),
                    count: point.count(),
                    sum: Some(point.sum()),
                }));
                // All points of a metric have the same bounds.
                let bounds = histogram.data_points().next().map(|point| point.bounds().collect());
                boundaries = bounds.unwrap_or_default();
                Kind::Histogram
            }
            AggregatedMetrics::U64(other) => Kind::Other(format!("{} of u64", name(other))),
            AggregatedMetrics::I64(other) => Kind::Other(format!("{} of i64", name(other))),
            AggregatedMetrics::F64(other) => Kind::Other(format!("{} of f64", name(other))),
        };
        let (name, unit) = (metric.name().to_owned(), metric.unit().to_owned());
        Self { scope, name, unit, kind, boundaries, points }
    }
}

impl Point {
    pub(super) fn show(&self) -> String {
        let sum = self.sum.map_or_else(String::new, |sum| format!(" sum {sum:?}"));
        format!("point {}{sum} {}", self.count, show_attributes(&self.attributes))
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter of u64",
            Self::Histogram => "histogram of f64",
            Self::Other(name) => name,
        })
    }
}

fn name<T>(data: &MetricData<T>) -> String {
    match data {
        MetricData::Gauge(_) => "gauge".to_owned(),
        MetricData::Sum(sum) => {
            let monotonic = if sum.is_monotonic() { "monotonic" } else { "not monotonic" };
            format!("{:?} sum, {monotonic},", sum.temporality())
        }
        MetricData::Histogram(histogram) => format!("{:?} histogram", histogram.temporality()),
        MetricData::ExponentialHistogram(_) => "exponential histogram".to_owned(),
    }
}
