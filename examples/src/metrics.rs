//! The metrics of all services in one table.

use crate::table::{Cell, Table};

/// A line of the table.
#[derive(Debug)]
pub struct Row {
    metric: String,
    service: String,
    operation: String,
    destination: String,
    count: u64,
    seconds: Option<f64>,
}

impl Row {
    /// A data point with its attributes; `seconds` are those of a histogram, all durations together.
    pub fn new<'a>(
        service: &str,
        metric: &str,
        attributes: impl Iterator<Item = (&'a str, String)>,
        count: u64,
        seconds: Option<f64>,
    ) -> Self {
        let (mut operation, mut error, mut destination) = Default::default();
        for (key, value) in attributes {
            match key {
                "messaging.operation.name" => operation = value,
                "messaging.destination.name" => destination = value,
                "error.type" => error = format!(", {value}"),
                _ => {}
            }
        }
        let operation = format!("{operation}{error}");
        let (metric, service) = (metric.to_owned(), service.to_owned());
        Self { metric, service, operation, destination, count, seconds }
    }

    fn key(&self) -> (&str, &str, &str, &str) {
        (&self.metric, &self.service, &self.operation, &self.destination)
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.seconds = self.seconds.zip(other.seconds).map(|(a, b)| a + b);
    }
}

/// A line for each metric, service and operation. Partitions are summed up: they would take most of
/// the room and say least.
pub fn draw(points: impl Iterator<Item = Row>) -> String {
    let mut rows: Vec<Row> = Vec::new();
    for row in points {
        match rows.iter_mut().find(|other| other.key() == row.key()) {
            Some(other) => other.add(&row),
            None => rows.push(row),
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
