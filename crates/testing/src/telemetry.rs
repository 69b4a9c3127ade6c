//! Providers for one test, and the spans that they collect.

#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "html")]
mod page;
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
use otel_messaging_core::{Instrumentation, InstrumentationBuilder, Propagation};

pub use self::sampler::{Seen, SeenBySampler};
use crate::{metrics::Exporter, spans::show_span};

/// The scope of the spans that a test creates as the application.
pub(crate) const APPLICATION: &str = "application";

/// How long a test waits for spans: far longer than any of them takes.
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

/// A tracer provider and a meter provider for one test, and what they collect.
///
/// It sets nothing global, so tests that have one each run in parallel.
#[derive(Debug)]
pub struct Telemetry {
    pub(crate) scope: Option<InstrumentationScope>,
    pub(crate) metrics: Exporter,
    tracer_provider: SdkTracerProvider,
    meter_provider: SdkMeterProvider,
    finished: Arc<Finished>,
    time_limit: Duration,
}

/// Options of a [`Telemetry`]. [`Telemetry::builder`] creates one.
#[derive(Debug)]
#[must_use = "only `build` creates a `Telemetry`"]
pub struct Builder {
    sampler: Box<dyn ShouldSample>,
    max_links_per_span: Option<u32>,
    scope: Option<InstrumentationScope>,
}

/// A span as it was exported.
#[derive(Clone, Debug)]
pub struct FinishedSpan {
    /// The data that the SDK gives to exporters.
    pub data: SpanData,
}

impl Telemetry {
    /// Creates providers that sample all spans unless the parent is not sampled, with the SDK's
    /// default limits. Expects no scope.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts a builder, to set a sampler or a limit or to expect a scope.
    pub fn builder() -> Builder {
        Builder {
            // The SDK's default depends on the environment.
            sampler: Box::new(Sampler::ParentBased(Box::new(Sampler::AlwaysOn))),
            max_links_per_span: None,
            scope: None,
        }
    }

    /// Returns a cheap clone of the tracer provider.
    pub fn tracer_provider(&self) -> SdkTracerProvider {
        self.tracer_provider.clone()
    }

    /// Returns a cheap clone of the meter provider.
    pub fn meter_provider(&self) -> SdkMeterProvider {
        self.meter_provider.clone()
    }

    /// Returns a builder of the options of instrumented clients and messages, which record here. The
    /// propagator is W3C Trace Context with Baggage.
    pub fn instrumentation(&self) -> InstrumentationBuilder {
        Instrumentation::builder()
            .with_tracer_provider(self.tracer_provider())
            .with_meter_provider(self.meter_provider())
            .with_propagator(Propagation::TraceContextAndBaggage)
    }

    /// Returns a tracer for the spans of the application. Its scope is named `application`.
    pub fn tracer(&self) -> SdkTracer {
        self.tracer_provider.tracer(APPLICATION)
    }

    /// Returns the sampled spans that have ended, in the order in which they ended.
    pub fn spans(&self) -> Vec<FinishedSpan> {
        self.finished.lock().clone()
    }

    /// Waits until at least `count` spans have ended, and returns them as [`spans`] does.
    ///
    /// Blocks the thread: an async test needs a runtime with several threads.
    ///
    /// # Panics
    ///
    /// After 30 seconds, with the spans that have ended.
    ///
    /// [`spans`]: Self::spans
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<FinishedSpan> {
        self.wait(&format!("{count} spans"), |spans| spans.len() >= count)
    }

    /// Waits until `is_complete` returns true for the finished spans, and returns them.
    ///
    /// Blocks the thread: an async test needs a runtime with several threads. Calls `is_complete`
    /// each time a span ends, with the collection locked: it must not use this `Telemetry` or end a
    /// span.
    ///
    /// # Panics
    ///
    /// After 30 seconds, with the spans that have ended.
    #[track_caller]
    pub fn wait_until(&self, is_complete: impl Fn(&[FinishedSpan]) -> bool) -> Vec<FinishedSpan> {
        self.wait("the condition", is_complete)
    }

    /// Removes the finished spans. Metrics are cumulative and stay.
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

#[cfg(any(feature = "html", feature = "otlp"))]
impl Drop for Telemetry {
    fn drop(&mut self) {
        #[cfg(feature = "html")]
        self.write_on_failure();
        // Exports what is left: clients that are still there would keep the providers alive. The
        // assertions do not depend on it.
        #[cfg(feature = "otlp")]
        let _ = (self.tracer_provider.force_flush(), self.meter_provider.force_flush());
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// Samples spans with `sampler`, such as [`SeenBySampler`] or one of the SDK.
    pub fn with_sampler(mut self, sampler: impl ShouldSample + 'static) -> Self {
        self.sampler = Box::new(sampler);
        self
    }

    /// Sets the SDK's limit of links per span. The default is 128.
    pub fn with_max_links_per_span(mut self, count: u32) -> Self {
        self.max_links_per_span = Some(count);
        self
    }

    /// Expects spans and metrics to come from `scope`: name, version, schema URL and attributes.
    ///
    /// This does not apply to expected spans and metrics that name a scope, nor to spans of
    /// [`Telemetry::tracer`]. Without it, assertions ignore scopes that are not named.
    pub fn expecting_scope(mut self, scope: InstrumentationScope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Creates the providers.
    pub fn build(self) -> Telemetry {
        let finished = Arc::new(Finished::default());
        let mut tracer_provider = SdkTracerProvider::builder()
            .with_sampler(self.sampler)
            .with_span_processor(Collector(Arc::clone(&finished)));
        if let Some(count) = self.max_links_per_span {
            tracer_provider = tracer_provider.with_max_links_per_span(count);
        }
        #[cfg(feature = "otlp")]
        let tracer_provider = export::spans(tracer_provider);
        let tracer_provider = tracer_provider.build();
        if let Some(observe) = OBSERVER.get() {
            observe(&tracer_provider);
        }
        let metrics = Exporter::default();
        let reader = PeriodicReader::builder(metrics.clone())
            // Only a flush collects.
            .with_interval(Duration::from_secs(24 * 60 * 60))
            .build();
        let meter_provider = SdkMeterProvider::builder().with_reader(reader);
        #[cfg(feature = "otlp")]
        let meter_provider = export::metrics(meter_provider);
        Telemetry {
            scope: self.scope,
            metrics,
            tracer_provider,
            meter_provider: meter_provider.build(),
            finished,
            time_limit: TIME_LIMIT,
        }
    }
}

impl FinishedSpan {
    /// Returns the instrumentation scope of the span.
    pub fn scope(&self) -> &InstrumentationScope {
        &self.data.instrumentation_scope
    }

    /// Returns the duration in seconds, as a duration metric records it.
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

/// The finished spans, and a condition variable that is notified of each new one.
#[derive(Debug, Default)]
struct Finished {
    spans: Mutex<Vec<FinishedSpan>>,
    more: Condvar,
}

impl Finished {
    fn lock(&self) -> MutexGuard<'_, Vec<FinishedSpan>> {
        // A panic in a condition does not leave the list in a bad state.
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Collects spans. It is a processor because an exporter needs one of the SDK's, and the simple one
/// blocks on a futures executor, which panics inside another executor.
#[derive(Debug)]
struct Collector(Arc<Finished>);

impl SpanProcessor for Collector {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {}

    fn on_end(&self, data: SpanData) {
        // Exporters do not get spans that are recorded but not sampled.
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
