//! Where the tracer, the instruments and the propagator are looked up.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use opentelemetry::{
    Context,
    global::{BoxedSpan, BoxedTracer},
    trace::{Span, SpanBuilder, TraceContextExt, Tracer},
};

use crate::{
    OperationType, System,
    options::{diagnostics::Diagnostic, propagation::Propagator, settings::Settings},
    span::{metrics::Instruments, tracers::Tracers},
};

/// The tracer, the instruments and the propagator of one instrumenter. Each is looked up until
/// there is a real one, and then kept.
#[derive(Debug, Default)]
pub(crate) struct Providers {
    tracers: OnceLock<Tracers>,
    tracer_lookups: Lookups,
    /// Whether a layer of `tracing-opentelemetry` recorded a span.
    layer: AtomicBool,
    instruments: OnceLock<Arc<Instruments>>,
    instruments_lookups: Lookups,
    propagator: OnceLock<Propagator>,
    propagator_lookups: Lookups,
}

/// Decides which operations look for a provider that was not there before: a look costs some
/// hundred nanoseconds, so all of the first operations look, and then one of several.
#[derive(Debug, Default)]
struct Lookups(AtomicU32);

impl Lookups {
    /// So many operations look at the beginning.
    const FIRST: u32 = 16;
    /// One of so many operations looks afterwards.
    const INTERVAL: u32 = 64;

    fn is_due(&self) -> bool {
        let operation = self.0.load(Ordering::Relaxed);
        // Two threads may count the same number: that delays a look and is cheaper than an addition
        // that all threads agree on.
        self.0.store(operation.wrapping_add(1), Ordering::Relaxed);
        operation < Self::FIRST || operation.is_multiple_of(Self::INTERVAL)
    }

    fn is_at_the_beginning(&self) -> bool {
        self.0.load(Ordering::Relaxed) < Self::FIRST
    }
}

impl Providers {
    /// Returns whether a span that is started now may record: there is a tracer, or this operation
    /// is one that looks for it.
    #[inline]
    pub(crate) fn wants_span(&self, settings: &Settings, operation: OperationType) -> bool {
        settings.tracing
            && (self.tracers.get().is_some()
                || operation == OperationType::Process && self.has_layer(settings)
                || self.tracer_lookups.is_due())
    }

    /// Returns whether an operation that begins now may have a span when it ends.
    #[inline]
    pub(crate) fn may_want_span(&self, settings: &Settings) -> bool {
        settings.tracing
            && (self.tracers.get().is_some() || self.tracer_lookups.is_at_the_beginning())
    }

    /// Returns whether a process span that is started soon may record.
    #[inline]
    pub(crate) fn may_want_process_span(&self, settings: &Settings) -> bool {
        self.may_want_span(settings) || settings.tracing && self.has_layer(settings)
    }

    /// Remembers that a layer of `tracing-opentelemetry` recorded a span.
    pub(crate) fn found_layer(&self) {
        // Written once: others read it for every span.
        if !self.layer.load(Ordering::Relaxed) {
            self.layer.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether a layer of `tracing-opentelemetry` recorded a span of this instrumenter.
    fn has_layer(&self, settings: &Settings) -> bool {
        settings.subscriber_spans && self.layer.load(Ordering::Relaxed)
    }

    /// Returns whether an operation that begins now may be measured when it ends.
    #[inline]
    pub(crate) fn may_measure(&self, settings: &Settings) -> bool {
        settings.metrics
            && (self.instruments.get().is_some() || self.instruments_lookups.is_at_the_beginning())
    }

    /// Returns the instruments, if they were found before.
    #[inline]
    pub(crate) fn known_instruments(&self) -> Option<&Instruments> {
        self.instruments.get().map(AsRef::as_ref)
    }

    /// Starts a span, or returns `None` where the tracer is the API's no-op or its provider
    /// panics.
    pub(crate) fn start_span(
        &self,
        settings: &Settings,
        system: System,
        builder: SpanBuilder,
        parent: &Context,
    ) -> Option<BoxedSpan> {
        // A provider that was shut down makes no ids.
        let is_valid = |span: &BoxedSpan| span.span_context().is_valid();
        let start = |tracer: &BoxedTracer| {
            let build = || tracer.build_with_context(builder, parent);
            settings.guard(Diagnostic::ProviderPanicked, build).filter(is_valid)
        };
        if let Some(tracers) = self.tracers.get() {
            return start(tracers.get());
        }
        let make = settings.tracers(system);
        let make = || settings.guard(Diagnostic::ProviderPanicked, &make);
        let tracer = make()?;
        // A no-op tracer makes none either: it answers with the parent's context.
        let parent = parent.span().span_context().span_id();
        let is_real = |span: &BoxedSpan| span.span_context().span_id() != parent;
        let span = start(&tracer).filter(is_real);
        if span.is_some() {
            // If another thread was first, its tracer is real too.
            let _ = self.tracers.set(Tracers::new(tracer, make));
        }
        span
    }

    /// Returns the instruments, if there are any or this operation finds them.
    #[inline]
    pub(crate) fn instruments(&self, settings: &Settings, system: System) -> Option<&Instruments> {
        if !settings.metrics {
            return None;
        }
        if let Some(instruments) = self.instruments.get() {
            return Some(instruments);
        }
        if !self.instruments_lookups.is_due() {
            return None;
        }
        let look = || settings.instruments(system);
        let instruments = settings.guard(Diagnostic::ProviderPanicked, look)??;
        Some(self.instruments.get_or_init(|| instruments))
    }

    /// Returns the propagator. While the global one is the API's no-op, W3C with baggage.
    pub(crate) fn propagator(&self, settings: &Settings) -> &Propagator {
        if let Some(propagator) = self.propagator.get() {
            return propagator;
        }
        if !self.propagator_lookups.is_due() {
            return &Propagator::DEFAULT;
        }
        let resolve = || Propagator::resolve(&settings.propagator);
        match settings.guard(Diagnostic::PropagatorPanicked, resolve) {
            Some(Some(propagator)) => self.propagator.get_or_init(|| propagator),
            // The application may still be setting up while there is no tracer either.
            Some(None) if self.tracers.get().is_none() => &Propagator::DEFAULT,
            Some(None) => self.propagator.get_or_init(|| Propagator::DEFAULT),
            // It may panic again: each use is guarded.
            None => self.propagator.get_or_init(|| Propagator::Global),
        }
    }
}
