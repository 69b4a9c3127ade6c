//! Counts spans and metrics. Nothing is kept of a span that has ended, so that memory stays flat.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use opentelemetry::{Context, KeyValue, SpanId, trace::Span as _};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        PeriodicReader, SdkMeterProvider, Temporality,
        data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics, ScopeMetrics},
        exporter::PushMetricExporter,
    },
    trace::{SdkTracerProvider, Span, SpanData, SpanProcessor},
};
use otel_messaging::otel::{Instrumentation, Propagation, semconv};

/// What spans and metrics say of an operation. A text is empty where there is no such attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Outcome {
    pub(crate) operation_type: String,
    pub(crate) name: String,
    pub(crate) error_type: String,
}

/// The providers of one broker's clients, and the counts of what they recorded.
#[derive(Debug)]
pub(crate) struct Telemetry {
    spans: Arc<Spans>,
    metrics: Metrics,
    tracer_provider: SdkTracerProvider,
    meter_provider: SdkMeterProvider,
}

impl Telemetry {
    pub(crate) fn new() -> Self {
        let (spans, metrics) = (Arc::<Spans>::default(), Metrics::default());
        let reader = PeriodicReader::builder(metrics.clone())
            // Only a flush collects.
            .with_interval(Duration::from_secs(24 * 60 * 60))
            .build();
        let counter = Counter(Arc::clone(&spans));
        Self {
            spans,
            metrics,
            tracer_provider: SdkTracerProvider::builder().with_span_processor(counter).build(),
            meter_provider: SdkMeterProvider::builder().with_reader(reader).build(),
        }
    }

    pub(crate) fn instrumentation(&self) -> Instrumentation {
        Instrumentation::builder()
            .with_tracer_provider(self.tracer_provider.clone())
            .with_meter_provider(self.meter_provider.clone())
            .with_propagator(Propagation::TraceContextAndBaggage)
            .build()
    }

    /// Returns how many spans have started and not ended.
    pub(crate) fn running(&self) -> usize {
        self.spans.lock().running.len()
    }

    /// Returns the counts of all spans.
    pub(crate) fn spans(&self) -> SpanCounts {
        self.spans.lock().counts.clone()
    }

    /// Collects the metrics: how many values each histogram has, and the sum of each counter.
    pub(crate) fn metrics(&self) -> BTreeMap<(String, Outcome), u64> {
        self.meter_provider.force_flush().expect("metrics are collected");
        lock(&self.metrics.0).clone()
    }
}

/// Spans that have started and ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpanCounts {
    pub(crate) started: u64,
    pub(crate) ended: u64,
    /// Spans that ended and were not running.
    pub(crate) ended_again: u64,
    /// Spans with the same outcome, and all their links.
    pub(crate) outcomes: BTreeMap<Outcome, (u64, u64)>,
}

#[derive(Debug, Default)]
struct Spans(Mutex<Running>);

#[derive(Debug, Default)]
struct Running {
    running: HashSet<SpanId>,
    counts: SpanCounts,
}

impl Spans {
    fn lock(&self) -> MutexGuard<'_, Running> {
        lock(&self.0)
    }
}

#[derive(Debug)]
struct Counter(Arc<Spans>);

impl SpanProcessor for Counter {
    fn on_start(&self, span: &mut Span, _: &Context) {
        let Running { running, counts } = &mut *self.0.lock();
        running.insert(span.span_context().span_id());
        counts.started += 1;
    }

    fn on_end(&self, span: SpanData) {
        let Running { running, counts } = &mut *self.0.lock();
        counts.ended += 1;
        counts.ended_again += u64::from(!running.remove(&span.span_context.span_id()));
        let (spans, links) = counts.outcomes.entry(outcome(&span.attributes)).or_default();
        *spans += 1;
        *links += span.links.len() as u64 + u64::from(span.links.dropped_count);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The counts of the last collection, which includes the earlier ones.
#[derive(Clone, Debug, Default)]
struct Metrics(Arc<Mutex<BTreeMap<(String, Outcome), u64>>>);

impl PushMetricExporter for Metrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut sums = BTreeMap::new();
        for metric in metrics.scope_metrics().flat_map(ScopeMetrics::metrics) {
            for (outcome, count) in points(metric) {
                *sums.entry((metric.name().to_owned(), outcome)).or_default() += count;
            }
        }
        *lock(&self.0) = sums;
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

fn points(metric: &Metric) -> Vec<(Outcome, u64)> {
    match metric.data() {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => {
            sum.data_points().map(|point| (outcome(point.attributes()), point.value())).collect()
        }
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            let points = histogram.data_points();
            points.map(|point| (outcome(point.attributes()), point.count())).collect()
        }
        _ => Vec::new(),
    }
}

fn outcome<'a>(attributes: impl IntoIterator<Item = &'a KeyValue>) -> Outcome {
    let mut outcome = Outcome::default();
    for attribute in attributes {
        match attribute.key.as_str() {
            semconv::OPERATION_TYPE => outcome.operation_type = attribute.value.to_string(),
            semconv::OPERATION_NAME => outcome.name = attribute.value.to_string(),
            semconv::ERROR_TYPE => outcome.error_type = attribute.value.to_string(),
            _ => {}
        }
    }
    outcome
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
