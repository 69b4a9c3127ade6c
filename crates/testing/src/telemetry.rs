//! Providers for one test, and the spans that they collected.

mod sampler;

use std::{
    ops::Deref,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use opentelemetry::{Context, InstrumentationScope, trace::TracerProvider as _};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::{Sampler, SdkTracer, SdkTracerProvider, ShouldSample, SpanData, SpanProcessor},
};

pub use self::sampler::{Seen, SeenBySampler};
use crate::{metrics::Exporter, spans::show_span};

/// The scope of spans that a test makes in the role of the application.
pub(crate) const APPLICATION: &str = "application";

/// Far beyond what a test waits for: reaching it means that it will not come.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Called by [`Builder::build`].
static OBSERVER: OnceLock<fn(&SdkTracerProvider)> = OnceLock::new();

/// Calls `observer` with the tracer provider of every [`Telemetry`] that is made in this process, in
/// the thread that makes it. Only the first observer is kept.
///
/// A test that runs the suite in a subscriber of `tracing` gives its layer the provider this way.
pub fn observe_tracer_providers(observer: fn(&SdkTracerProvider)) {
    OBSERVER.get_or_init(|| observer);
}

/// A tracer provider and a meter provider for one test, and what they collected.
///
/// Nothing in it is global, so tests with one each run in parallel.
#[derive(Debug)]
pub struct Telemetry {
    pub(crate) scope: Option<InstrumentationScope>,
    pub(crate) metrics: Exporter,
    tracer_provider: SdkTracerProvider,
    meter_provider: SdkMeterProvider,
    finished: Arc<Finished>,
    time_limit: Duration,
}

/// What a [`Telemetry`] may have otherwise than by default.
#[derive(Debug)]
#[must_use = "only `build` makes a `Telemetry`"]
pub struct Builder {
    sampler: Box<dyn ShouldSample>,
    max_links_per_span: Option<u32>,
    scope: Option<InstrumentationScope>,
}

/// A span as it was exported.
#[derive(Clone, Debug)]
pub struct FinishedSpan {
    /// All that the SDK hands to an exporter.
    pub data: SpanData,
}

impl Telemetry {
    /// All spans are sampled unless their parent is not, limits are the SDK's own, and no scope
    /// is expected.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// For another sampler or limit, or to expect a scope.
    pub fn builder() -> Builder {
        Builder {
            // Named, because the SDK's default listens to the environment.
            sampler: Box::new(Sampler::ParentBased(Box::new(Sampler::AlwaysOn))),
            max_links_per_span: None,
            scope: None,
        }
    }

    /// The provider whose spans are collected here; a cheap clone.
    pub fn tracer_provider(&self) -> SdkTracerProvider {
        self.tracer_provider.clone()
    }

    /// The provider whose metrics are collected here; a cheap clone.
    pub fn meter_provider(&self) -> SdkMeterProvider {
        self.meter_provider.clone()
    }

    /// A tracer for the spans of the application, whose scope is named `application`.
    pub fn tracer(&self) -> SdkTracer {
        self.tracer_provider.tracer(APPLICATION)
    }

    /// The sampled spans that are finished by now, in the order in which they ended.
    pub fn spans(&self) -> Vec<FinishedSpan> {
        self.finished.lock().clone()
    }

    /// Waits until `count` spans or more are finished, and returns them as [`spans`] does.
    ///
    /// It blocks its thread: an async test needs a runtime with others.
    ///
    /// # Panics
    ///
    /// After 30 seconds, with the spans that are there.
    ///
    /// [`spans`]: Self::spans
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<FinishedSpan> {
        self.wait(&format!("{count} spans"), |spans| spans.len() >= count)
    }

    /// Waits until the finished spans are as `is_complete` wants them, and returns them.
    ///
    /// It blocks its thread: an async test needs a runtime with others. `is_complete` is called
    /// whenever a span ends, with the collection locked: it must not use this `Telemetry` or end
    /// a span.
    ///
    /// # Panics
    ///
    /// After 30 seconds, with the spans that are there.
    #[track_caller]
    pub fn wait_until(&self, is_complete: impl Fn(&[FinishedSpan]) -> bool) -> Vec<FinishedSpan> {
        self.wait("the condition", is_complete)
    }

    /// Forgets the finished spans. Metrics are cumulative and stay.
    pub fn clear(&self) {
        self.finished.lock().clear();
    }

    #[track_caller]
    fn wait(
        &self,
        awaited: &str,
        is_complete: impl Fn(&[FinishedSpan]) -> bool,
    ) -> Vec<FinishedSpan> {
        let (spans, timeout) = self
            .finished
            .more
            .wait_timeout_while(self.finished.lock(), self.time_limit, |spans| !is_complete(spans))
            .unwrap_or_else(PoisonError::into_inner);
        let spans = spans.clone();
        assert!(
            !timeout.timed_out(),
            "waited {:?} for {awaited}; finished are {}:\n\n{}",
            self.time_limit,
            spans.len(),
            spans.iter().map(show_span).collect::<Vec<_>>().join("\n"),
        );
        spans
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// Decides on spans with `sampler`, such as [`SeenBySampler`] or the SDK's own.
    pub fn with_sampler(mut self, sampler: impl ShouldSample + 'static) -> Self {
        self.sampler = Box::new(sampler);
        self
    }

    /// Lets a span keep its first `count` links only, or more than the SDK's default of 128.
    pub fn with_max_links_per_span(mut self, count: u32) -> Self {
        self.max_links_per_span = Some(count);
        self
    }

    /// Expects every span and metric to come from `scope`: name, version, schema URL and
    /// attributes.
    ///
    /// Except where an expected span says so otherwise, and spans of [`Telemetry::tracer`].
    /// Without an expectation, scopes are not compared.
    pub fn expecting_scope(mut self, scope: InstrumentationScope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Makes the providers.
    pub fn build(self) -> Telemetry {
        let finished = Arc::new(Finished::default());
        let mut tracer_provider = SdkTracerProvider::builder()
            .with_sampler(self.sampler)
            .with_span_processor(Collector(Arc::clone(&finished)));
        if let Some(count) = self.max_links_per_span {
            tracer_provider = tracer_provider.with_max_links_per_span(count);
        }
        let tracer_provider = tracer_provider.build();
        if let Some(observe) = OBSERVER.get() {
            observe(&tracer_provider);
        }
        let metrics = Exporter::default();
        let reader = PeriodicReader::builder(metrics.clone())
            // Never by itself: a flush collects.
            .with_interval(Duration::from_secs(24 * 60 * 60))
            .build();
        Telemetry {
            scope: self.scope,
            metrics,
            tracer_provider,
            meter_provider: SdkMeterProvider::builder().with_reader(reader).build(),
            finished,
            time_limit: TIME_LIMIT,
        }
    }
}

impl FinishedSpan {
    /// What made the span: name, version, schema URL.
    pub fn scope(&self) -> &InstrumentationScope {
        &self.data.instrumentation_scope
    }

    /// From start to end, in seconds, as a duration metric records it.
    ///
    /// # Panics
    ///
    /// If the span ended before it started.
    #[track_caller]
    pub fn seconds(&self) -> f64 {
        self.end_time
            .duration_since(self.start_time)
            .unwrap_or_else(|error| panic!("span {:?} ended too early: {error}", self.name))
            .as_secs_f64()
    }
}

impl Deref for FinishedSpan {
    type Target = SpanData;

    fn deref(&self) -> &SpanData {
        &self.data
    }
}

/// Finished spans, and the news that there are more.
#[derive(Debug, Default)]
struct Finished {
    spans: Mutex<Vec<FinishedSpan>>,
    more: Condvar,
}

impl Finished {
    fn lock(&self) -> MutexGuard<'_, Vec<FinishedSpan>> {
        // A condition that panicked has not harmed the list.
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A processor rather than an exporter: the SDK's simple processor blocks on a futures executor,
/// which panics in a test that itself runs on one.
#[derive(Debug)]
struct Collector(Arc<Finished>);

impl SpanProcessor for Collector {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {}

    fn on_end(&self, data: SpanData) {
        // Recorded but not sampled: no exporter gets to see it.
        if data.span_context.is_sampled() {
            self.0.lock().push(FinishedSpan { data });
            self.0.more.notify_all();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
