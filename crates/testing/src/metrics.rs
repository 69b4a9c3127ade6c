//! Expected metrics as data, and their exact comparison with all that were recorded.

mod stream;

use std::borrow::Cow;

use opentelemetry::InstrumentationScope;

pub(crate) use self::stream::Exporter;
use self::stream::{Kind, Point, Stream};
use crate::{
    attributes::{Attributes, ExpectedValue},
    difference::{Lines, indent, show_scope},
    matching::{pair, unpaired},
    telemetry::Telemetry,
};

/// A metric that a test expects; see [`counter`] and [`histogram`].
#[derive(Clone, Debug)]
#[must_use = "only `assert_metrics` compares it"]
pub struct ExpectedMetric {
    name: Cow<'static, str>,
    kind: Kind,
    unit: Cow<'static, str>,
    boundaries: Vec<f64>,
    points: Vec<ExpectedPoint>,
    scope: Option<InstrumentationScope>,
}

#[derive(Clone, Debug)]
struct ExpectedPoint {
    attributes: Attributes,
    count: u64,
    /// Compared where the test knows it.
    sum: Option<f64>,
}

/// Expects a monotonic, cumulative counter of `u64`, without unit and points.
pub fn counter(name: impl Into<Cow<'static, str>>) -> ExpectedMetric {
    ExpectedMetric::new(name.into(), Kind::Counter)
}

/// Expects a cumulative histogram of `f64`, without unit, boundaries and points.
pub fn histogram(name: impl Into<Cow<'static, str>>) -> ExpectedMetric {
    ExpectedMetric::new(name.into(), Kind::Histogram)
}

impl Telemetry {
    /// Asserts that the metrics recorded so far are exactly the `expected` ones, in whatever
    /// order.
    ///
    /// Every metric with data points is compared, from whatever scope: name, unit, kind,
    /// boundaries, all data points with their whole attribute sets, and the scope where one is
    /// expected, by the metric or by [`Builder::expecting_scope`]. Descriptions are not.
    /// Metrics are cumulative: a later call sees all points again.
    ///
    /// # Panics
    ///
    /// If they are not, with what differs; or if a metric is expected twice.
    ///
    /// [`Builder::expecting_scope`]: crate::telemetry::Builder::expecting_scope
    #[track_caller]
    pub fn assert_metrics(&self, expected: impl IntoIterator<Item = ExpectedMetric>) {
        let expected: Vec<ExpectedMetric> = expected.into_iter().collect();
        for (at, metric) in expected.iter().enumerate() {
            let is_new = expected[..at].iter().all(|other| other.name != metric.name);
            assert!(is_new, "metric {:?} is expected twice", metric.name);
        }
        let mut found = self.collect_metrics();
        let head = format!("metrics differ: {} expected, {} found", expected.len(), found.len());
        let mut parts = Vec::new();
        for metric in &expected {
            let name = &metric.name;
            // Of two with one name the first is compared, and the other one not expected.
            match found.iter().position(|stream| stream.name == *name) {
                Some(at) => {
                    let lines = metric.differences(&found.remove(at), self.scope.as_ref());
                    if !lines.is_empty() {
                        parts.push(format!("metric {name:?} differs:\n{}", indent(&lines)));
                    }
                }
                None => parts.push(format!("metric {name:?} was not found\n")),
            }
        }
        for stream in found {
            let lines = indent(&stream.lines());
            parts.push(format!("metric {:?} was not expected:\n{lines}", stream.name));
        }
        assert!(parts.is_empty(), "{head}\n\n{}", parts.join("\n"));
    }

    /// The sums of all data points of a histogram of `f64`, in ascending order.
    ///
    /// Of a point that was recorded once, this is what was recorded.
    ///
    /// # Panics
    ///
    /// If there is no metric of this name, or more than one, or one of another kind.
    #[track_caller]
    pub fn histogram_sums(&self, name: &str) -> Vec<f64> {
        let mut found = self.collect_metrics();
        found.retain(|stream| stream.name == name);
        let [Stream { kind, points, .. }] = &found[..] else {
            panic!("there are {} metrics {name:?}, not one", found.len())
        };
        assert_eq!(*kind, Kind::Histogram, "metric {name:?} has no sums");
        let mut sums: Vec<f64> = points.iter().filter_map(|point| point.sum).collect();
        sums.sort_unstable_by(f64::total_cmp);
        sums
    }

    #[track_caller]
    fn collect_metrics(&self) -> Vec<Stream> {
        // What an earlier call collected is of no use: the next holds all of it.
        self.metrics.take();
        let flushed = self.meter_provider().force_flush();
        flushed.unwrap_or_else(|error| panic!("metrics cannot be collected: {error}"));
        self.metrics.take()
    }
}

impl ExpectedMetric {
    fn new(name: Cow<'static, str>, kind: Kind) -> Self {
        let (boundaries, points) = (Vec::new(), Vec::new());
        Self { name, kind, unit: Cow::default(), boundaries, points, scope: None }
    }

    /// Expects this unit.
    pub fn unit(mut self, unit: impl Into<Cow<'static, str>>) -> Self {
        self.unit = unit.into();
        self
    }

    /// Expects the buckets of a histogram to have these upper bounds.
    ///
    /// # Panics
    ///
    /// If this is no histogram.
    #[track_caller]
    pub fn boundaries(mut self, boundaries: &[f64]) -> Self {
        assert_eq!(self.kind, Kind::Histogram, "metric {:?} has no boundaries", self.name);
        self.boundaries = boundaries.to_vec();
        self
    }

    /// Expects a data point with exactly these attributes.
    ///
    /// `count` is what a counter counted, or how often a histogram recorded; what it recorded is
    /// not compared.
    ///
    /// # Panics
    ///
    /// If an attribute is named twice.
    #[track_caller]
    pub fn point(
        mut self,
        count: u64,
        attributes: impl IntoIterator<Item = (&'static str, ExpectedValue)>,
    ) -> Self {
        let attributes = Attributes::from_pairs(attributes);
        self.points.push(ExpectedPoint { attributes, count, sum: None });
        self
    }

    /// Expects a data point of a histogram that recorded `count` times, with exactly this sum and
    /// exactly these attributes.
    ///
    /// # Panics
    ///
    /// If this is no histogram, or if an attribute is named twice.
    #[track_caller]
    pub fn point_with_sum(
        mut self,
        count: u64,
        sum: f64,
        attributes: impl IntoIterator<Item = (&'static str, ExpectedValue)>,
    ) -> Self {
        assert_eq!(self.kind, Kind::Histogram, "metric {:?} has no sums", self.name);
        let attributes = Attributes::from_pairs(attributes);
        self.points.push(ExpectedPoint { attributes, count, sum: Some(sum) });
        self
    }

    /// Expects this scope: name, version, schema URL and attributes.
    pub fn scope(mut self, scope: InstrumentationScope) -> Self {
        self.scope = Some(scope);
        self
    }

    fn differences(&self, found: &Stream, scope: Option<&InstrumentationScope>) -> Vec<String> {
        let mut lines = Lines::default();
        lines.compare(format!("kind {}", self.kind), format!("kind {}", found.kind));
        lines.compare(format!("unit {:?}", self.unit), format!("unit {:?}", found.unit));
        let (boundaries, other) = (&self.boundaries, &found.boundaries);
        lines.compare(format!("boundaries {boundaries:?}"), format!("boundaries {other:?}"));
        let scope = self.scope.as_ref().or(scope).unwrap_or(&found.scope);
        lines.compare(show_scope(scope), show_scope(&found.scope));
        let pairs = pair(self.points.len(), found.points.len(), |at, to| {
            self.points[at].matches(&found.points[to])
        });
        for (point, _) in self.points.iter().zip(&pairs).filter(|(_, pair)| pair.is_none()) {
            lines.missing(&point.show());
        }
        for to in unpaired(&pairs, found.points.len()) {
            lines.unexpected(&found.points[to].show());
        }
        lines.0
    }
}

impl ExpectedPoint {
    fn matches(&self, found: &Point) -> bool {
        self.count == found.count
            && self.sum.is_none_or(|sum| found.sum == Some(sum))
            && self.attributes.match_all(&found.attributes)
    }

    fn show(&self) -> String {
        let sum = self.sum.map_or_else(String::new, |sum| format!(" sum {sum:?}"));
        format!("point {}{sum} {}", self.count, self.attributes.show())
    }
}

#[cfg(test)]
mod tests;
