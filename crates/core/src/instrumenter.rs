//! The telemetry of one producer or consumer.

use std::{
    cell::Cell,
    ops::Deref,
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime},
};

use opentelemetry::{Context, KeyValue, trace::SpanContext};

use crate::{
    CreationContext, Instrumentation, MessageView, Operation, ReceiveSpans, System, Trust,
    client::{AttributeValue, Message, NotInjected, OutgoingMessage},
    options::diagnostics::Diagnostic,
    semconv,
    span::{
        facts::Facts, innermost, interned::Attribute, providers::Providers, target::Targets,
        telemetry::Telemetry,
    },
};

/// The telemetry of one producer or consumer: what all its operations have in common, and where
/// they start. Cheap to clone.
///
/// A client crate makes one for every client it wraps. An application makes one of its own for
/// work that does not come from a broker:
///
/// ```
/// use otel_messaging_core::{CreationContext, Instrumentation, Instrumenter, System};
///
/// const OUTBOX: System = System::new("outbox", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
///
/// let instrumenter = Instrumenter::builder(OUTBOX).build(&Instrumentation::default());
/// let row = "invoice 7";
/// let job = instrumenter.restore("invoices", CreationContext::NONE, row);
/// assert_eq!(job.get_ref().get_ref(), &"invoice 7");
/// ```
#[derive(Clone, Debug)]
pub struct Instrumenter(pub(crate) Option<Arc<Inner>>);

impl Instrumenter {
    /// Makes a builder for a producer or consumer of `system`.
    pub const fn builder(system: System) -> InstrumenterBuilder {
        InstrumenterBuilder(Facts::of(system))
    }

    /// Makes an instrumenter without telemetry.
    pub const fn disabled() -> Self {
        Self(None)
    }

    /// Returns whether there is any telemetry or propagation: if not, facts need not be gathered.
    pub const fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Returns whether settling makes spans: if not, what they would say need not be kept.
    pub fn wants_settle_spans(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| {
            inner.settings.settle_spans && inner.providers.may_want_span(&inner.settings)
        })
    }

    /// Starts the clock of an operation whose span is made when it is done.
    #[inline]
    pub fn clock(&self) -> Clock {
        Clock(self.0.as_ref().map(|inner| inner.clock()))
    }

    /// Adds an attribute that the client learned late, such as the cluster's id, to all later
    /// spans but those that create messages. Only the first one is kept.
    pub fn learn(&self, key: &'static str, value: impl FnOnce() -> Option<String>) {
        if let Some(inner) = &self.0
            && inner.settings.tracing
            && inner.learned.get().is_none()
            && let Some(value) = value()
        {
            // If another thread was first, it learned the same.
            let _ = inner.learned.set(KeyValue::new(key, value));
        }
    }

    /// Reports once that a context had to be taken out of a message again.
    pub fn report_not_injected(&self, error: NotInjected) {
        if let Some(inner) = &self.0 {
            inner.settings.diagnostics.report(Diagnostic::NotInjected(error));
        }
    }
}

/// Builds an [`Instrumenter`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct InstrumenterBuilder(Facts);

impl InstrumenterBuilder {
    /// Sets `messaging.client.id`.
    pub fn client_id(mut self, id: &str) -> Self {
        self.0.span_attributes.push(Attribute::new(semconv::CLIENT_ID, id).to_key_value());
        self
    }

    /// Sets `messaging.consumer.group.name`, on consumers.
    pub fn consumer_group(mut self, group: &str) -> Self {
        self.0.attributes.push(Attribute::new(semconv::CONSUMER_GROUP_NAME, group));
        self
    }

    /// Sets `server.address` and `server.port`. An IPv6 address is given without brackets.
    pub fn server(mut self, address: &str, port: Option<u16>) -> Self {
        self.0.attributes.push(Attribute::new(semconv::SERVER_ADDRESS, address));
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        self.0.server = Some(match port {
            Some(port) => {
                self.0.attributes.push(Attribute::Int(semconv::SERVER_PORT, i64::from(port)));
                format!("{host}:{port}")
            }
            None => host,
        });
        self
    }

    /// Names the destination of operations on messages of several destinations, such as the stream
    /// that a consumer reads. Without it, such operations are named after the server.
    pub fn fallback_destination(mut self, name: &str) -> Self {
        self.0.fallback_destination = Some(name.into());
        self
    }

    /// Adds an attribute to all spans.
    pub fn attribute<'a>(
        mut self,
        key: &'static str,
        value: impl Into<AttributeValue<'a>>,
    ) -> Self {
        self.0.span_attributes.push(value.into().to_key_value(key));
        self
    }

    /// Builds the instrumenter, which works as `instrumentation` says.
    #[must_use = "the instrumenter is what the builder is for"]
    pub fn build(self, instrumentation: &Instrumentation) -> Instrumenter {
        Instrumenter(instrumentation.settings().map(|settings| {
            let settings = Arc::clone(settings);
            Arc::new(Inner {
                telemetry: Arc::new(Telemetry { settings, providers: Providers::default() }),
                facts: self.0,
                targets: Targets::default(),
                built: Instant::now(),
                learned: OnceLock::new(),
            })
        }))
    }
}

/// The state behind the handles of one producer or consumer.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) facts: Facts,
    pub(crate) targets: Targets,
    /// Packed operations count the time from here.
    pub(crate) built: Instant,
    pub(crate) learned: OnceLock<KeyValue>,
}

impl Deref for Inner {
    type Target = Telemetry;

    fn deref(&self) -> &Telemetry {
        &self.telemetry
    }
}

impl Inner {
    fn clock(&self) -> Started {
        let settings = &self.settings;
        let span =
            settings.receive_spans != ReceiveSpans::None && self.providers.may_want_span(settings);
        Started::now(span, self.providers.may_measure(settings))
    }

    /// Returns the ambient context, unless its telemetry is suppressed.
    pub(crate) fn ambient(&self) -> Option<Context> {
        let context = Context::current();
        if context.is_telemetry_suppressed() {
            return None;
        }
        if !self.settings.subscriber_spans {
            return Some(context);
        }
        let innermost =
            self.settings.guard(Diagnostic::ProviderPanicked, || innermost::of(&context));
        Some(innermost.flatten().unwrap_or(context))
    }

    /// Returns how far to believe what `message` carries.
    #[inline]
    pub(crate) fn trust<M: Message>(&self, operation: Operation, message: &M) -> Trust {
        self.settings.trust(|| MessageView::of(operation, message))
    }

    /// Reads what `message` carries, with such trust; [`CreationContext::NONE`] if propagation is
    /// off or the propagator panics.
    #[inline]
    pub(crate) fn extract<M: Message>(&self, message: &M, trust: Trust) -> CreationContext {
        if !self.settings.propagation {
            return CreationContext::NONE;
        }
        let propagator = self.providers.propagator(&self.settings);
        let keys = &self.settings.extracted_baggage;
        if propagator.is_ours() {
            return propagator.extract(message, trust, keys);
        }
        let extract = || propagator.extract(message, trust, keys);
        let guarded = self.settings.guard(Diagnostic::PropagatorPanicked, extract);
        guarded.unwrap_or(CreationContext::NONE)
    }

    /// Writes a context into a message. If it cannot be written, the message stays as it was.
    pub(crate) fn inject<M: OutgoingMessage + ?Sized>(
        &self,
        span_context: &SpanContext,
        context: &Context,
        message: &mut M,
    ) {
        if !self.settings.propagation {
            return;
        }
        let propagator = self.providers.propagator(&self.settings);
        let limited = self.settings.injected_baggage.limit_context(context);
        let context = limited.as_ref().unwrap_or(context);
        let mut inject = || propagator.inject(span_context, context, message);
        let injected = if propagator.is_ours() {
            Some(inject())
        } else {
            self.settings.guard(Diagnostic::PropagatorPanicked, inject)
        };
        if let Some(Err(error)) = injected {
            self.settings.diagnostics.report(Diagnostic::NotInjected(error));
        }
    }
}

/// When an operation began; empty if the instrumenter is disabled.
#[derive(Clone, Copy, Debug)]
pub struct Clock(pub(crate) Option<Started>);

/// When an operation began, on the clocks that are needed: a look at a clock costs a good part of
/// a span that is not sampled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Started {
    /// For spans; not needed where the span starts at once.
    pub(crate) time: Option<SystemTime>,
    /// For metrics: the clock that is never set back.
    pub(crate) instant: Option<Instant>,
}

/// How long the distance between the two clocks is taken for the same.
const SAME_DISTANCE: Duration = Duration::from_millis(100);

impl Started {
    pub(crate) fn now(for_span: bool, for_metrics: bool) -> Self {
        if for_span && for_metrics {
            return Self::on_both_clocks();
        }
        Self { time: for_span.then(SystemTime::now), instant: for_metrics.then(Instant::now) }
    }

    /// Looks at one clock, and at the wall clock only now and then.
    fn on_both_clocks() -> Self {
        thread_local! {
            static LAST: Cell<Option<(SystemTime, Instant)>> = const { Cell::new(None) };
        }
        let instant = Instant::now();
        let known = LAST.get().and_then(|(time, last)| {
            let passed = instant.checked_duration_since(last)?;
            time.checked_add(passed).filter(|_| passed < SAME_DISTANCE)
        });
        let time = known.unwrap_or_else(|| {
            let time = SystemTime::now();
            LAST.set(Some((time, instant)));
            time
        });
        Self { time: Some(time), instant: Some(instant) }
    }

    pub(crate) fn elapsed(self) -> Duration {
        match (self.instant, self.time) {
            (Some(instant), _) => instant.elapsed(),
            // Zero, where the clock was set back.
            (None, Some(time)) => time.elapsed().unwrap_or_default(),
            (None, None) => Duration::ZERO,
        }
    }
}
