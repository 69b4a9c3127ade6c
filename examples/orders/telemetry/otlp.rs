//! Export over OTLP, if the environment names an endpoint, and a count of what arrived there.

use super::Service;
use crate::failure::Failure;
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, SpanExporter, WithExportConfig,
};
use opentelemetry_sdk::{
    metrics::PeriodicReader,
    trace::{BatchConfigBuilder, BatchSpanProcessor},
};
use otel_messaging_examples::tally::{Tallied, Tally};
use std::env;

/// Holds all spans of a round, so that none is dropped while the collector takes its time.
const QUEUE: usize = 32 * 1024;

/// Where telemetry goes beside memory.
#[derive(Debug)]
pub(crate) struct Otlp {
    traces: Option<String>,
    metrics: Option<String>,
    tally: Tally,
}

impl Otlp {
    /// The exporters read the same variables, and the others of the specification, by themselves.
    pub(crate) fn from_env() -> Self {
        let endpoint = |signal: &str| {
            [format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"), "OTEL_EXPORTER_OTLP_ENDPOINT".into()]
                .into_iter()
                .find_map(|name| env::var(name).ok().filter(|endpoint| !endpoint.is_empty()))
        };
        let (traces, metrics) = (endpoint("TRACES"), endpoint("METRICS"));
        Self { traces, metrics, tally: Tally::default() }
    }

    /// Built before the runtime is: the exporter's HTTP client blocks, in threads of its own.
    pub(crate) fn span_processor(&self) -> Result<Option<BatchSpanProcessor>, Failure> {
        let Some(endpoint) = &self.traces else { return Ok(None) };
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let exporter = exporter.build().map_err(|error| not_built(endpoint, &error))?;
        let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
        let processor = BatchSpanProcessor::builder(Tallied::new(exporter, &self.tally));
        Ok(Some(processor.with_batch_config(config).build()))
    }

    pub(crate) fn metric_reader(
        &self,
    ) -> Result<Option<PeriodicReader<Tallied<MetricExporter>>>, Failure> {
        let Some(endpoint) = &self.metrics else { return Ok(None) };
        let exporter = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let exporter = exporter.build().map_err(|error| not_built(endpoint, &error))?;
        Ok(Some(PeriodicReader::builder(Tallied::new(exporter, &self.tally)).build()))
    }

    /// Lets the queues run empty, unless the collector has failed already: that is waited for once.
    pub(crate) fn flush(&self, services: &[Service]) {
        for service in services {
            if self.traces.is_some()
                && self.tally.failure().is_none()
                && let Err(error) = service.tracer_provider.force_flush()
            {
                self.tally.fail(&error);
            }
        }
    }

    /// Compares what arrived with the number of spans there are; the providers have been shut down
    /// by now. `None` if nobody asked for an export.
    pub(crate) fn outcome(&self, spans: u64) -> Option<Result<String, Failure>> {
        let endpoints: Vec<_> = [&self.traces, &self.metrics].into_iter().flatten().collect();
        let (first, last) = (endpoints.first()?, endpoints.last()?);
        let endpoint = if first == last { first.as_str() } else { &format!("{first} and {last}") };
        let (exported, expected) =
            (self.tally.spans(), if self.traces.is_some() { spans } else { 0 });
        let cause = match self.tally.failure() {
            None if exported == expected => {
                let metrics = if self.metrics.is_some() { ", and metrics" } else { "" };
                return Some(Ok(format!("{exported} spans{metrics}, exported to {endpoint}")));
            }
            failure => failure.unwrap_or_else(|| "it took too long".into()),
        };
        Some(Err(Failure::new(format!(
            "the export to {endpoint} failed ({exported} of {expected} spans arrived): {cause}; is an \
             OTLP/HTTP collector listening there, without TLS?"
        ))))
    }
}

fn not_built(endpoint: &str, error: &ExporterBuildError) -> Failure {
    Failure::usage(format!(
        "cannot export to {endpoint}: {error}; check the OTEL_EXPORTER_OTLP_ variables"
    ))
}
