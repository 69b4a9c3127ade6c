//! What the SDK has counted, as lines of the table.

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Metric, MetricData, ResourceMetrics, ScopeMetrics,
};
use otel_messaging_examples::metrics::Row;

/// A line for each data point of a service.
pub(crate) fn rows(service: &str, metrics: &ResourceMetrics) -> Vec<Row> {
    let metrics = metrics.scope_metrics().flat_map(ScopeMetrics::metrics);
    metrics.flat_map(|metric| rows_of(service, metric)).collect()
}

fn rows_of(service: &str, metric: &Metric) -> Vec<Row> {
    match metric.data() {
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
            .data_points()
            .map(|it| row(service, metric, it.attributes(), it.count(), Some(it.sum())))
            .collect(),
        AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
            .data_points()
            .map(|it| row(service, metric, it.attributes(), it.value(), None))
            .collect(),
        _ => Vec::new(), // Nothing else is a messaging metric.
    }
}

fn row<'a>(
    service: &str,
    metric: &Metric,
    attributes: impl Iterator<Item = &'a KeyValue>,
    count: u64,
    seconds: Option<f64>,
) -> Row {
    let attributes = attributes.map(|it| (it.key.as_str(), it.value.to_string()));
    Row::new(service, metric.name(), attributes, count, seconds)
}
