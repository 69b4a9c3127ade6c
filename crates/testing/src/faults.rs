//! Telemetry code that panics, to test that a panic never reaches the client.

use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::{Link, SpanKind, TraceId},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SamplingResult, SdkTracerProvider, ShouldSample, Span, SpanData, SpanProcessor},
};
use otel_messaging_core::{InstrumentationBuilder, Propagation};

/// The place where telemetry code panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panics {
    /// In the sampler.
    InSampler,
    /// In a span processor, when a span starts.
    WhenSpansStart,
    /// In a span processor, when a span ends.
    WhenSpansEnd,
    /// In each method of the propagator.
    InPropagator,
}

impl Panics {
    /// All places.
    pub const ALL: [Self; 4] =
        [Self::InSampler, Self::WhenSpansStart, Self::WhenSpansEnd, Self::InPropagator];

    /// Adds the code that panics to the builder: its tracer provider or its propagator.
    pub fn choose(self, builder: InstrumentationBuilder) -> InstrumentationBuilder {
        match self {
            Self::InPropagator => builder.with_propagator(Propagation::custom(PanickingPropagator)),
            _ => builder.with_tracer_provider(self.tracer_provider()),
        }
    }

    /// Makes a tracer provider whose sampler or span processor panics.
    pub fn tracer_provider(self) -> SdkTracerProvider {
        let provider = SdkTracerProvider::builder().with_span_processor(self);
        if self == Self::InSampler { provider.with_sampler(self).build() } else { provider.build() }
    }
}

impl ShouldSample for Panics {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        panic!("this sampler panics, as the test wants")
    }
}

impl SpanProcessor for Panics {
    fn on_start(&self, _: &mut Span, _: &Context) {
        assert_ne!(*self, Self::WhenSpansStart, "this processor panics, as the test wants");
    }

    fn on_end(&self, _: SpanData) {
        assert_ne!(*self, Self::WhenSpansEnd, "this processor panics, as the test wants");
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// A propagator whose methods all panic.
#[derive(Debug)]
pub struct PanickingPropagator;

impl TextMapPropagator for PanickingPropagator {
    fn inject_context(&self, _: &Context, _: &mut dyn Injector) {
        panic!("this propagator panics, as the test wants")
    }

    fn extract_with_context(&self, _: &Context, _: &dyn Extractor) -> Context {
        panic!("this propagator panics, as the test wants")
    }

    fn fields(&self) -> FieldIter<'_> {
        panic!("this propagator panics, as the test wants")
    }
}
