//! Expected metrics as data, and their comparison with all recorded ones.

mod stream;

use std::borrow::Cow;

use opentelemetry::InstrumentationScope;

pub(crate) use self::stream::Exporter;
use self::stream::{Kind, Point, Stream};
use crate::{
    attributes::{Attributes, ExpectedValue},
    difference::{difference, show_scope},
    matching::{reword, without_others},
    telemetry::Telemetry,
};

/// A metric that a test expects. [`counter`] and [`histogram`] create one.
#[derive(Clone, Debug)]
#[must_use = "only `assert_metrics` compares it"]
pub struct ExpectedMetric {
    name: Cow<'static, str>,
    kind: Kind,
    unit: Cow<'static, str>,
    boundaries: Vec<f64>,
    points: Vec<ExpectedPoint>,
    scope: Option<InstrumentationScope>,
    ignores_rest: bool,
}

#[derive(Clone, Debug)]
struct ExpectedPoint {
    attributes: Attributes,
    count: u64,
    /// The sum of a histogram, if the test knows it.
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
    /// Asserts that the metrics recorded so far are exactly the `expected` ones, in any order.
    ///
    /// Compares the name, unit, kind and boundaries of each metric that has data points, and all
    /// points with all their attributes. Compares the scope if the metric or
    /// [`Builder::expecting_scope`] names one. Ignores descriptions. Metrics are cumulative: a later
    /// call sees all points again.
    ///
    /// # Panics
    ///
    /// If a metric differs, is missing or is not expected, with the difference; or if a metric is
    /// expected twice.
    ///
    /// [`Builder::expecting_scope`]: crate::telemetry::Builder::expecting_scope
    #[track_caller]
    pub fn assert_metrics(&self, expected: impl IntoIterator<Item = ExpectedMetric>) {
        self.compare_metrics(&expected.into_iter().collect::<Vec<_>>(), false);
    }

    /// Asserts that each of the `expected` metrics has the data points that are named, and ignores
    /// other metrics, other points, attributes that are not named of a point, and the unit and the
    /// boundaries of a metric that names none.
    ///
    /// Compares metrics as [`assert_metrics`](Self::assert_metrics) does otherwise.
    ///
    /// # Panics
    ///
    /// If a metric differs or is missing, with the difference and the names of the other metrics;
    /// or if a metric is expected twice.
    #[track_caller]
    pub fn assert_metrics_include(&self, expected: impl IntoIterator<Item = ExpectedMetric>) {
        let expected = expected.into_iter().map(ExpectedMetric::ignoring_rest);
        self.compare_metrics(&expected.collect::<Vec<_>>(), true);
    }

    #[track_caller]
    fn compare_metrics(&self, expected: &[ExpectedMetric], ignores_others: bool) {
        for (at, metric) in expected.iter().enumerate() {
            let is_new = expected[..at].iter().all(|other| other.name != metric.name);
            assert!(is_new, "metric {:?} is expected twice", metric.name);
        }
        let mut found = self.collect_metrics();
        let head =
            format!("metrics differ: {} expected (-), {} found (+)", expected.len(), found.len());
        let mut parts = Vec::new();
        for metric in expected {
            // Of two with one name the first is compared; the other one is not expected.
            let at = found.iter().position(|stream| stream.name == metric.name);
            let stream = at.map(|at| found.remove(at));
            let (what, found_lines) = match &stream {
                Some(stream) => ("differs", metric.lines_of(stream, self.scope.as_ref())),
                None => ("was not found", Vec::new()),
            };
            let lines = difference(&metric.lines(self.scope.as_ref()), &found_lines);
            if !lines.is_empty() {
                parts.push(format!("metric {:?} {what}:\n{lines}", metric.name));
            }
        }
        if ignores_others && !parts.is_empty() {
            let names: Vec<String> =
                found.iter().map(|stream| format!("{:?}", stream.name)).collect();
            parts.push(format!("other metrics: {}\n", names.join(", ")));
        }
        for stream in found.into_iter().filter(|_| !ignores_others) {
            let own = counter(stream.name.clone()).scope(stream.scope.clone());
            let lines = difference(&[], &own.lines_of(&stream, None));
            parts.push(format!("metric {:?} was not expected:\n{lines}", stream.name));
        }
        assert!(parts.is_empty(), "{head}\n\n{}", parts.join("\n"));
    }

    /// Returns the sums of all data points of a histogram of `f64`, in ascending order.
    ///
    /// The sum of a point that was recorded once is the recorded value.
    ///
    /// # Panics
    ///
    /// If there is no metric of this name, more than one, or one of another kind.
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
        // Metrics are cumulative: the next collection includes the last one.
        self.metrics.take();
        let flushed = self.meter_provider().force_flush();
        flushed.unwrap_or_else(|error| panic!("metrics cannot be collected: {error}"));
        self.metrics.take()
    }
}

impl ExpectedMetric {
    fn new(name: Cow<'static, str>, kind: Kind) -> Self {
        let (boundaries, points) = (Vec::new(), Vec::new());
        let unit = Cow::default();
        Self { name, kind, unit, boundaries, points, scope: None, ignores_rest: false }
    }

    fn ignoring_rest(mut self) -> Self {
        self.ignores_rest = true;
        self.points.iter_mut().for_each(|point| point.attributes.allow_others());
        self
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
    /// If this is not a histogram.
    #[track_caller]
    pub fn boundaries(mut self, boundaries: &[f64]) -> Self {
        assert_eq!(self.kind, Kind::Histogram, "metric {:?} has no boundaries", self.name);
        self.boundaries = boundaries.to_vec();
        self
    }

    /// Expects a data point with exactly these attributes.
    ///
    /// `count` is the value of a counter, or the number of values that a histogram recorded. The
    /// sum of a histogram is ignored.
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

    /// Expects a data point of a histogram that recorded `count` values, with exactly this sum and
    /// exactly these attributes.
    ///
    /// # Panics
    ///
    /// If this is not a histogram, or if an attribute is named twice.
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

    /// Writes one line for each fact that is compared.
    fn lines(&self, scope: Option<&InstrumentationScope>) -> Vec<String> {
        let scope = self.scope.as_ref().or(scope);
        let points = self.points.iter().map(ExpectedPoint::show).collect();
        self.show(&self.kind, &self.unit, &self.boundaries, scope, points)
    }

    /// Writes a metric that was found, for a comparison with this one.
    fn lines_of(&self, found: &Stream, scope: Option<&InstrumentationScope>) -> Vec<String> {
        let scope = self.scope.as_ref().or(scope).map(|_| &found.scope);
        let expected: Vec<String> = self.points.iter().map(ExpectedPoint::show).collect();
        let points = found.points.iter().map(Point::show).collect();
        let points = reword(&expected, points, |at, to| self.points[at].matches(&found.points[to]));
        let points = if self.ignores_rest { without_others(&expected, points) } else { points };
        self.show(&found.kind, &found.unit, &found.boundaries, scope, points)
    }

    /// Writes one line for each fact of this metric or a found one that is compared, with its points
    /// sorted.
    fn show(
        &self,
        kind: &Kind,
        unit: &str,
        boundaries: &[f64],
        scope: Option<&InstrumentationScope>,
        mut points: Vec<String>,
    ) -> Vec<String> {
        points.sort_unstable();
        let mut lines = vec![format!("kind {kind}")];
        if !self.ignores_rest || !self.unit.is_empty() {
            lines.push(format!("unit {unit:?}"));
        }
        if !self.ignores_rest || !self.boundaries.is_empty() {
            lines.push(format!("boundaries {boundaries:?}"));
        }
        lines.extend(scope.map(show_scope));
        lines.extend(points);
        lines
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
