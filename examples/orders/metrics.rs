//! The metrics of all services in one table.

use crate::table::{Cell, Table};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Metric, MetricData, ResourceMetrics, ScopeMetrics,
};

/// A line for each metric, service and operation. Partitions are summed up: they would take most of
/// the room and say least.
pub(crate) fn draw(services: impl Iterator<Item = (&'static str, ResourceMetrics)>) -> String {
    let mut rows: Vec<Row> = Vec::new();
    for (service, metrics) in services {
        let metrics = metrics.scope_metrics().flat_map(ScopeMetrics::metrics);
        for row in metrics.flat_map(|metric| rows_of(service, metric)) {
            match rows.iter_mut().find(|other| other.key() == row.key()) {
                Some(other) => other.add(&row),
                None => rows.push(row),
            }
        }
    }
    rows.sort_by(|a, b| a.metric.cmp(&b.metric)); // Stable: services stay in their order.

    let mut table = Table::new([
        Cell::left("metric"),
        Cell::left("service"),
        Cell::left("operation"),
        Cell::left("destination"),
        Cell::right("count"),
        Cell::right("mean"),
    ]);
    for row in rows {
        let mean = row.seconds.map(|seconds| format!("{:.1} ms", seconds / row.count as f64 * 1e3));
        table.row([
            Cell::left(row.metric),
            Cell::left(row.service),
            Cell::left(row.operation),
            Cell::left(row.destination),
            Cell::right(row.count.to_string()),
            Cell::right(mean.unwrap_or_default()),
        ]);
    }
    table.to_string()
}

struct Row {
    metric: String,
    service: &'static str,
    operation: String,
    destination: String,
    count: u64,
    /// Of histograms: all durations together.
    seconds: Option<f64>,
}

impl Row {
    fn new<'a>(
        service: &'static str,
        metric: &Metric,
        attributes: impl Iterator<Item = &'a KeyValue>,
        count: u64,
        seconds: Option<f64>,
    ) -> Self {
        let mut operation = String::new();
        let mut error = String::new();
        let mut destination = String::new();
        for attribute in attributes {
            match attribute.key.as_str() {
                "messaging.operation.name" => operation = attribute.value.to_string(),
                "messaging.destination.name" => destination = attribute.value.to_string(),
                "error.type" => error = format!(", {}", attribute.value),
                _ => {}
            }
        }
        let operation = operation + &error;
        Self { metric: metric.name().to_owned(), service, operation, destination, count, seconds }
    }

    fn key(&self) -> (&str, &str, &str, &str) {
        (&self.metric, self.service, &self.operation, &self.destination)
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.seconds = self.seconds.zip(other.seconds).map(|(a, b)| a + b);
    }
}

fn rows_of(service: &'static str, metric: &Metric) -> Vec<Row> {
    match metric.data() {
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
            .data_points()
            .map(|it| Row::new(service, metric, it.attributes(), it.count(), Some(it.sum())))
            .collect(),
        AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
            .data_points()
            .map(|it| Row::new(service, metric, it.attributes(), it.value(), None))
            .collect(),
        _ => Vec::new(), // Nothing else is a messaging metric.
    }
}
