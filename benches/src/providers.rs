//! SDK providers that record spans and metrics without exporting them.

use std::{hint::black_box, time::Duration};

use opentelemetry::Context;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider},
    trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor},
};

/// The raised limit of links per span, which exceeds all batches of the benchmarks.
pub const RAISED_LINK_LIMIT: u16 = 20_000;

/// The sampling decision for all spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Spans are recorded, and discarded by the span processor.
    Recording,
    /// The sampler keeps 1 % of the traces that start here.
    OnePercent,
    /// The sampler drops all spans.
    SampledOut,
}

/// Makes a tracer provider with this limit of links per span.
pub fn tracer_provider(sampling: Sampling, link_limit: u16) -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_sampler(match sampling {
            Sampling::Recording => Sampler::AlwaysOn,
            Sampling::OnePercent => {
                Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.01)))
            }
            Sampling::SampledOut => Sampler::AlwaysOff,
        })
        .with_max_links_per_span(link_limit.into())
        .with_span_processor(DiscardingProcessor)
        .build()
}

/// Makes a meter provider that aggregates and is never collected while a benchmark runs.
pub fn meter_provider() -> SdkMeterProvider {
    let hour = Duration::from_secs(3600);
    let exporter = InMemoryMetricExporter::default();
    SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(exporter).with_interval(hour).build())
        .build()
}

/// Takes ownership of each ended span, as an exporter's queue would, and discards it.
#[derive(Debug)]
struct DiscardingProcessor;

impl SpanProcessor for DiscardingProcessor {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        black_box(&span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
