//! Telemetry code that panics.

use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::{Link, SpanKind, TraceId},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SamplingResult, SdkTracerProvider, ShouldSample, Span, SpanData, SpanProcessor},
};

/// Where a tracer provider panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Panics {
    InSampler,
    WhenSpansStart,
    WhenSpansEnd,
}

impl Panics {
    pub(super) const ALL: [Self; 3] = [Self::InSampler, Self::WhenSpansStart, Self::WhenSpansEnd];

    pub(super) fn provider(self) -> SdkTracerProvider {
        let builder = SdkTracerProvider::builder().with_span_processor(self);
        match self {
            Self::InSampler => builder.with_sampler(self).build(),
            Self::WhenSpansStart | Self::WhenSpansEnd => builder.build(),
        }
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

/// A propagator that panics whatever it is called for.
#[derive(Debug)]
pub(super) struct PanickingPropagator;

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
