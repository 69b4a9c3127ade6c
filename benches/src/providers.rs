//! SDK providers that do the SDK's work and nothing after it.

use std::{hint::black_box, time::Duration};

use opentelemetry::Context;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider},
    trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor},
};

/// More links than any batch of the benchmarks has: the span's limit where it was raised.
pub const RAISED_LINK_LIMIT: u16 = 20_000;

/// What becomes of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// It is recorded, and handed to a processor that looks away.
    Recording,
    /// The sampler drops it.
    SampledOut,
}

/// A tracer provider whose spans may have so many links.
pub fn tracer_provider(sampling: Sampling, link_limit: u16) -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_sampler(match sampling {
            Sampling::Recording => Sampler::AlwaysOn,
            Sampling::SampledOut => Sampler::AlwaysOff,
        })
        .with_max_links_per_span(link_limit.into())
        .with_span_processor(LooksAway)
        .build()
}

/// A meter provider that aggregates, and is not asked for the result while a benchmark runs.
pub fn meter_provider() -> SdkMeterProvider {
    let hour = Duration::from_secs(3600);
    let exporter = InMemoryMetricExporter::default();
    SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(exporter).with_interval(hour).build())
        .build()
}

/// Takes every span that ended, as an exporter's queue would, and lets go of it.
#[derive(Debug)]
struct LooksAway;

impl SpanProcessor for LooksAway {
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
