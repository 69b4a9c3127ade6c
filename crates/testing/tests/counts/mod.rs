//! Counts the messages of jobs, for the tests of R18.

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, InMemoryMetricExporterBuilder, MeterProviderBuilder, PeriodicReader,
    SdkMeterProvider, Temporality,
    data::{AggregatedMetrics, MetricData, ScopeMetrics, SumDataPoint},
};
use otel_messaging_core::{CreationContext, Instrumentation, Instrumenter, System};

pub(crate) const JOBS: System = System::new("jobs", "tests", "0");
const CONSUMED: &str = "messaging.client.consumed.messages";

/// A provider that exports to each of `exporters`.
pub(crate) fn provider(exporters: &[&InMemoryMetricExporter]) -> SdkMeterProvider {
    let readers =
        exporters.iter().map(|exporter| PeriodicReader::builder((*exporter).clone()).build());
    readers.fold(SdkMeterProvider::builder(), MeterProviderBuilder::with_reader).build()
}

pub(crate) fn exporter(temporality: Temporality) -> InMemoryMetricExporter {
    InMemoryMetricExporterBuilder::new().with_temporality(temporality).build()
}

pub(crate) fn instrumenter(provider: impl MeterProvider + Send + Sync + 'static) -> Instrumenter {
    let instrumentation =
        Instrumentation::builder().with_tracing(false).with_meter_provider(provider).build();
    Instrumenter::builder(JOBS).build(&instrumentation)
}

pub(crate) fn process(instrumenter: &Instrumenter, destination: &str) {
    instrumenter.restore(destination.to_owned(), CreationContext::NONE, "job").process_sync(|| ());
}

/// Returns the values of the last export of the counter, over all series.
pub(crate) fn last(exporter: &InMemoryMetricExporter) -> Option<u64> {
    let exports = exporter.get_finished_metrics().ok()?;
    let metrics = exports.last()?.scope_metrics().flat_map(ScopeMetrics::metrics);
    let counter = metrics.into_iter().find(|metric| metric.name() == CONSUMED)?;
    let AggregatedMetrics::U64(MetricData::Sum(sum)) = counter.data() else { return None };
    assert!(sum.is_monotonic());
    Some(sum.data_points().map(SumDataPoint::value).sum())
}
