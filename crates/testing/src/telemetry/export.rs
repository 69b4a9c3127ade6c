//! Exports what a test records over OTLP as well, to a validator of the conventions.

use std::{env, time::Duration};

use opentelemetry::Context;
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::MeterProviderBuilder,
    trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor, TracerProviderBuilder},
};

use super::APPLICATION;

/// The address that takes OTLP over HTTP, such as `http://127.0.0.1:4318`. Nothing is exported where it
/// is not set.
const ADDRESS: &str = "OTEL_MESSAGING_TESTING_OTLP";

/// Exports the spans of the instrumentation.
pub(super) fn spans(provider: TracerProviderBuilder) -> TracerProviderBuilder {
    let Some(address) = address() else { return provider };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{address}/v1/traces"))
        .build();
    let exporter = exporter.unwrap_or_else(|error| panic!("{ADDRESS} cannot be used: {error}"));
    provider.with_span_processor(Instrumented(BatchSpanProcessor::builder(exporter).build()))
}

/// Exports all metrics.
pub(super) fn metrics(provider: MeterProviderBuilder) -> MeterProviderBuilder {
    let Some(address) = address() else { return provider };
    let exporter = MetricExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{address}/v1/metrics"))
        .build();
    let exporter = exporter.unwrap_or_else(|error| panic!("{ADDRESS} cannot be used: {error}"));
    provider.with_periodic_exporter(exporter)
}

fn address() -> Option<String> {
    env::var(ADDRESS).ok().filter(|address| !address.is_empty())
}

/// Leaves out the spans of the application, which follow no convention of messaging.
#[derive(Debug)]
struct Instrumented(BatchSpanProcessor);

impl SpanProcessor for Instrumented {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, data: SpanData) {
        if data.instrumentation_scope.name() != APPLICATION {
            self.0.on_end(data);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
}
