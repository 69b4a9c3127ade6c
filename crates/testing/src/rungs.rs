//! The rungs between no telemetry and all of it, for tests that count what each costs.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider},
    trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor},
};
use otel_messaging_core::{Instrumentation, Propagation};

/// How much telemetry there is. Nothing of it is exported or collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// [`Instrumentation::disabled`].
    Disabled,
    /// The default instrumentation, in a process that sets no global provider.
    NoProvider,
    /// Metrics, without a tracer provider.
    MetricsOnly,
    /// Metrics, and spans that the sampler drops.
    SampledOut,
    /// Metrics and spans.
    Recording,
}

impl Rung {
    /// All rungs, from none to all.
    pub const ALL: [Self; 5] =
        [Self::Disabled, Self::NoProvider, Self::MetricsOnly, Self::SampledOut, Self::Recording];

    /// Makes an instrumentation of this rung, with providers of its own.
    pub fn instrumentation(self) -> Instrumentation {
        let builder = Instrumentation::builder()
            .with_propagator(Propagation::TraceContextAndBaggage)
            .with_meter_provider(meter_provider());
        match self {
            Self::Disabled => Instrumentation::disabled(),
            Self::NoProvider => Instrumentation::default(),
            Self::MetricsOnly => builder.build(),
            Self::SampledOut => {
                builder.with_tracer_provider(tracer_provider(Sampler::AlwaysOff)).build()
            }
            Self::Recording => {
                builder.with_tracer_provider(tracer_provider(Sampler::AlwaysOn)).build()
            }
        }
    }
}

fn tracer_provider(sampler: Sampler) -> SdkTracerProvider {
    SdkTracerProvider::builder().with_sampler(sampler).with_span_processor(Discarding).build()
}

fn meter_provider() -> SdkMeterProvider {
    let reader = PeriodicReader::builder(InMemoryMetricExporter::default())
        // Never, as long as a test runs.
        .with_interval(Duration::from_secs(24 * 60 * 60))
        .build();
    SdkMeterProvider::builder().with_reader(reader).build()
}

/// Drops each span that has ended.
#[derive(Debug)]
struct Discarding;

impl SpanProcessor for Discarding {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
