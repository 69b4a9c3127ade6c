//! Draws the metrics of all services as a table.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value},
    metrics::v1::{Metric, metric::Data, number_data_point::Value},
};
use otel_messaging_testing::collector::{Collected, service_of};

/// The lines by metric, service (its place), operation and destination: a count, and the seconds of
/// a histogram. Partitions have no lines of their own.
type Lines<'a> = BTreeMap<(&'a str, usize, String, &'a str), (u64, Option<f64>)>;

/// Draws a line for each metric, service, operation and destination.
pub fn draw(collected: &Collected, services: &[&str]) -> String {
    // A service exports several times, and each export contains what the earlier ones do.
    let mut last = BTreeMap::new();
    for resource in &collected.metrics {
        let service = service_of(resource.resource.as_ref());
        let place = services.iter().position(|it| *it == service);
        last.extend(place.map(|place| (place, resource)));
    }
    let mut lines = Lines::new();
    for (place, resource) in last {
        for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            add(&mut lines, metric, place);
        }
    }
    let mut drawn = line(["metric", "service", "operation", "destination", "count", "mean"]);
    for ((metric, place, operation, destination), (count, seconds)) in lines {
        let mean = seconds.map(|seconds| format!("{:.1} ms", seconds / count as f64 * 1e3));
        let (count, mean) = (count.to_string(), mean.unwrap_or_default());
        drawn += &line([metric, services[place], &operation, destination, &count, &mean]);
    }
    drawn
}

fn line([metric, service, operation, destination, count, mean]: [&str; 6]) -> String {
    let line =
        format!("{metric:<37}{service:<9}{operation:<11}{destination:<17}{count:>6}{mean:>11}");
    line.trim_end().to_owned() + "\n"
}

/// Adds the points of a metric to their lines.
fn add<'a>(lines: &mut Lines<'a>, metric: &'a Metric, place: usize) {
    let mut add = |attributes: &'a [KeyValue], count: u64, seconds: Option<f64>| {
        let mut operation = text(attributes, "messaging.operation.name").to_owned();
        let error = text(attributes, "error.type");
        if !error.is_empty() {
            operation = format!("{operation}, {error}");
        }
        let destination = text(attributes, "messaging.destination.name");
        let line = lines.entry((&metric.name, place, operation, destination)).or_default();
        line.0 += count;
        line.1 = seconds.map(|seconds| seconds + line.1.unwrap_or_default());
    };
    if let Some(Data::Histogram(histogram)) = &metric.data {
        histogram.data_points.iter().for_each(|it| add(&it.attributes, it.count, it.sum));
    }
    if let Some(Data::Sum(sum)) = &metric.data {
        for point in &sum.data_points {
            let Some(Value::AsInt(count)) = point.value else { continue };
            add(&point.attributes, count.unsigned_abs(), None);
        }
    }
}

/// Returns an attribute's text, or nothing.
fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let attribute = attributes.iter().find(|attribute| attribute.key == key);
    match attribute.and_then(|it| it.value.as_ref()?.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text,
        _ => "",
    }
}
