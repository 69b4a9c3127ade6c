//! The choices of an application: one builder, one cheap handle.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use opentelemetry::{
    Key, KeyValue,
    metrics::MeterProvider,
    trace::{Tracer, TracerProvider},
};

use crate::{
    Destination, ErrorType, Operation, Propagation, semconv,
    settings::{Hook, Settings},
};

/// How an application wants its messaging telemetry: a cheap handle, made once and given to every
/// producer and consumer.
///
/// [`Instrumentation::default`] uses the global providers and needs no set-up.
///
/// ```
/// use otel_messaging_core::{Instrumentation, ProcessParent};
///
/// let instrumentation = Instrumentation::builder()
///     .with_process_parent(ProcessParent::CreationContextIfNoAmbient)
///     .with_settle_spans(false)
///     .build();
/// ```
#[derive(Clone, Debug)]
pub struct Instrumentation(Option<Arc<Settings>>);

impl Instrumentation {
    /// A builder with the defaults.
    pub fn builder() -> Builder {
        Builder(Settings::default())
    }

    /// No telemetry and no propagation: every operation costs one branch.
    pub const fn disabled() -> Self {
        Self(None)
    }

    pub(crate) const fn settings(&self) -> Option<&Arc<Settings>> {
        self.0.as_ref()
    }
}

/// The defaults, with the global providers. All defaults of a process are one instrumentation.
impl Default for Instrumentation {
    fn default() -> Self {
        static DEFAULT: LazyLock<Instrumentation> =
            LazyLock::new(|| Instrumentation::builder().build());
        DEFAULT.clone()
    }
}

/// Whether receiving makes spans (rule R11). Metrics and links on process spans do not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveSpans {
    /// One for each receive that handed over messages, or failed.
    #[default]
    All,
    /// Only for batches.
    Batches,
    /// None.
    None,
}

/// What the span of processing a single message is a child of (rule R13).
///
/// The message's creation context is linked in every case. A batch is always a child of the
/// ambient span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessParent {
    /// The ambient span; without one, the process span starts a trace.
    #[default]
    Ambient,
    /// The ambient span; without one, the creation context, so that one trace tells it all.
    CreationContextIfNoAmbient,
    /// The creation context. An ambient span is linked.
    CreationContext,
}

/// What becomes of a context that a message carries already when it is sent (rules R8 and R9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExistingContext {
    /// The send span's context replaces it, and the send span links to it: right for what is
    /// forwarded, retried or dead-lettered.
    #[default]
    Replace,
    /// It stays, and the send span links to it: right where the application creates the messages'
    /// contexts itself.
    Keep,
}

/// Builds an [`Instrumentation`]. What is not said keeps its default.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder(Settings);

impl Builder {
    /// Makes the instrumentation.
    #[must_use = "the instrumentation is what the builder is for"]
    pub fn build(self) -> Instrumentation {
        Instrumentation(Some(Arc::new(self.0)))
    }

    /// Where spans go. Default: the global provider, whenever it is set (rule R1).
    pub fn with_tracer_provider<P>(mut self, provider: P) -> Self
    where
        P: TracerProvider + Send + Sync + 'static,
        P::Tracer: Send + Sync + 'static,
        <P::Tracer as Tracer>::Span: Send + Sync + 'static,
    {
        self.0.tracer_provider = Some(Box::new(provider));
        self
    }

    /// Where metrics go. Default: the global provider, whenever it is set (rule R1).
    pub fn with_meter_provider(
        mut self,
        provider: impl MeterProvider + Send + Sync + 'static,
    ) -> Self {
        self.0.meter_provider = Some(Box::new(provider));
        self
    }

    /// Which propagator reads and writes headers. Default: [`Propagation::Global`].
    pub fn with_propagator(mut self, propagator: Propagation) -> Self {
        self.0.propagator = propagator;
        self
    }

    /// Whether headers are read and written at all. Default: true. Without, a context in a message
    /// that is forwarded stays in it as any header does.
    pub const fn with_propagation(mut self, enabled: bool) -> Self {
        self.0.propagation = enabled;
        self
    }

    /// Whether there are spans. Without them contexts still flow (rule R5). Default: true.
    pub const fn with_tracing(mut self, enabled: bool) -> Self {
        self.0.tracing = enabled;
        self
    }

    /// Whether there are metrics. Default: true.
    pub const fn with_metrics(mut self, enabled: bool) -> Self {
        self.0.metrics = enabled;
        self
    }

    /// Which receives make spans. Default: [`ReceiveSpans::All`].
    pub const fn with_receive_spans(mut self, receive_spans: ReceiveSpans) -> Self {
        self.0.receive_spans = receive_spans;
        self
    }

    /// Whether settling (acknowledging, committing) makes spans. Metrics stay. Default: true.
    pub const fn with_settle_spans(mut self, enabled: bool) -> Self {
        self.0.settle_spans = enabled;
        self
    }

    /// Whether each message of a batch that is sent gets a span and context of its own (rule R7);
    /// otherwise all carry the send span's. Default: true.
    pub const fn with_create_spans(mut self, enabled: bool) -> Self {
        self.0.create_spans = enabled;
        self
    }

    /// The parent of the span of a single message's processing. Default: [`ProcessParent::Ambient`].
    pub const fn with_process_parent(mut self, parent: ProcessParent) -> Self {
        self.0.process_parent = parent;
        self
    }

    /// What becomes of a context that an outgoing message carries. Default:
    /// [`ExistingContext::Replace`].
    pub const fn with_existing_context(mut self, existing: ExistingContext) -> Self {
        self.0.existing_context = existing;
        self
    }

    /// How many links a span may have: what the SDK was given as `max_links_per_span`, which
    /// cannot be asked for. Links beyond it go to child spans, so that none is lost (rule R15).
    /// Default: `OTEL_SPAN_LINK_COUNT_LIMIT`, else 128.
    pub const fn with_link_limit(mut self, limit: usize) -> Self {
        self.0.link_limit = if limit == 0 { 1 } else { limit };
        self
    }

    /// How many distinct destination names may appear in span names and metrics; those after that
    /// are left out there, unless they have a template (rule R20). Default: 200.
    pub const fn with_destination_limit(mut self, limit: usize) -> Self {
        self.0.destination_limit = limit;
        self
    }

    /// Gives destinations a low-cardinality template, which then stands in span names and metrics
    /// instead of the name. It is asked for destinations whose client knows no template.
    pub fn with_destination_templates<F>(mut self, template: F) -> Self
    where
        F: Fn(&str) -> Option<Cow<'static, str>> + Send + Sync + 'static,
    {
        self.0.destination_templates = Some(Hook(Box::new(template)));
        self
    }

    /// Excludes operations from spans where `filter` says false. Their contexts still flow, and
    /// their metrics stay. `filter` must be quick: it runs for every operation.
    pub fn with_filter<F>(mut self, filter: F) -> Self
    where
        F: Fn(Operation, Option<&Destination<'_>>) -> bool + Send + Sync + 'static,
    {
        self.0.filter = Some(Hook(Box::new(filter)));
        self
    }

    /// Adds attributes to the span of every operation when it is created, so that samplers see them.
    pub fn with_attributes<F>(mut self, attributes: F) -> Self
    where
        F: Fn(Operation, Option<&Destination<'_>>) -> Vec<KeyValue> + Send + Sync + 'static,
    {
        self.0.attributes = Some(Hook(Box::new(attributes)));
        self
    }

    /// Renames classes of errors, for example to shorten type names: given the class that would
    /// be reported, it answers with the one that is. The answers must be few.
    pub fn with_error_types<F>(mut self, error_types: F) -> Self
    where
        F: Fn(&ErrorType) -> Option<ErrorType> + Send + Sync + 'static,
    {
        self.0.error_types = Some(Hook(Box::new(error_types)));
        self
    }

    /// Whether message keys are recorded, where they are text. Of the clients, only Kafka's have
    /// keys. Default: false (rule R21).
    pub const fn with_message_keys(mut self, enabled: bool) -> Self {
        self.0.message_keys = enabled;
        self
    }

    /// Whether body and envelope sizes are recorded. Default: false (rule R21).
    pub const fn with_message_sizes(mut self, enabled: bool) -> Self {
        self.0.message_sizes = enabled;
        self
    }

    /// Records the headers of these names as `messaging.header.<name>`, where they are text.
    /// Where one repeats, the last value counts. Default: none (rule R21).
    pub fn with_captured_headers<N: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Self {
        let attribute = |name: String| {
            let key = format!("{}{}", semconv::HEADER_PREFIX, name.to_lowercase());
            (name, Key::new(key))
        };
        self.0.captured_headers = names.into_iter().map(Into::into).map(attribute).collect();
        self
    }
}
