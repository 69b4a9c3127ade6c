//! The options of an application: one builder, one cheap handle.

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
    ErrorType, ExistingContext, MessageView, ProcessParent, Propagation, ReceiveSpans, SendSpanEnd,
    Trust,
    options::{
        baggage_keys::BaggageKeys,
        environment,
        settings::{Hook, Settings},
    },
    semconv,
};

/// Configuration shared by producers and consumers: providers, propagator, which spans to record.
/// Cheap to clone.
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
    /// Makes a builder with the defaults, and with what the environment says where code sets
    /// nothing: `OTEL_MESSAGING_PROCESS_PARENT`, `OTEL_MESSAGING_RECEIVE_SPANS`,
    /// `OTEL_MESSAGING_TRUST` and `OTEL_SPAN_LINK_COUNT_LIMIT`. It is read here. An unknown value
    /// of one of the first three is ignored, with one diagnostic.
    pub fn builder() -> InstrumentationBuilder {
        let mut settings = Settings::default();
        environment::apply(&mut settings, |name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        });
        InstrumentationBuilder(settings)
    }

    /// Switches telemetry and propagation off: every operation costs one branch.
    pub const fn disabled() -> Self {
        Self(None)
    }

    pub(crate) const fn settings(&self) -> Option<&Arc<Settings>> {
        self.0.as_ref()
    }
}

/// Uses the defaults, with the global providers. All defaults of a process share one handle.
impl Default for Instrumentation {
    fn default() -> Self {
        static DEFAULT: LazyLock<Instrumentation> =
            LazyLock::new(|| Instrumentation::builder().build());
        DEFAULT.clone()
    }
}

/// Builds an [`Instrumentation`]. Unset options keep their defaults.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct InstrumentationBuilder(Settings);

impl InstrumentationBuilder {
    /// Builds the instrumentation.
    #[must_use = "the instrumentation is what the builder is for"]
    pub fn build(self) -> Instrumentation {
        Instrumentation(Some(Arc::new(self.0)))
    }

    /// Sets the tracer provider. Default: the global one, which may be set later.
    pub fn with_tracer_provider<P>(mut self, provider: P) -> Self
    where
        P: TracerProvider + Send + Sync + 'static,
        P::Tracer: Send + Sync + 'static,
        <P::Tracer as Tracer>::Span: Send + Sync + 'static,
    {
        self.0.tracer_provider = Some(Box::new(provider));
        self
    }

    /// Sets the meter provider. Default: the global one, which may be set later.
    pub fn with_meter_provider(
        mut self,
        provider: impl MeterProvider + Send + Sync + 'static,
    ) -> Self {
        self.0.meter_provider = Some(Box::new(provider));
        self
    }

    /// Sets the propagator that reads and writes headers. Default: [`Propagation::Global`].
    pub fn with_propagator(mut self, propagator: Propagation) -> Self {
        self.0.propagator = propagator;
        self
    }

    /// Switches reading and writing of headers on or off. Default: on. While off, a context in a
    /// forwarded message stays in it, as any header does.
    pub const fn with_propagation(mut self, enabled: bool) -> Self {
        self.0.propagation = enabled;
        self
    }

    /// Switches spans on or off. Contexts are propagated either way. Default: on.
    pub const fn with_tracing(mut self, enabled: bool) -> Self {
        self.0.tracing = enabled;
        self
    }

    /// Switches on or off that process spans are spans of `tracing`, recorded by its subscriber.
    /// Default: on. Without the Cargo feature `tracing` it has no effect.
    ///
    /// It does not switch spans off: see [`with_tracing`](Self::with_tracing). While it is off, or
    /// where the current subscriber records no such span (there is no layer of
    /// `tracing-opentelemetry`, or a filter excludes it), a process span comes from the tracer
    /// provider of this instrumentation, as all other spans do. Switch it off where the spans of a
    /// library must not go where the application's go.
    ///
    /// A process span that is a span of `tracing` is what it is otherwise, except that
    ///
    /// - it goes to the layer's tracer provider, and has that tracer's scope name, version and
    ///   schema URL;
    /// - it has the layer's attributes: `code.file.path`, `code.module.name` and
    ///   `code.line.number` are not set, `thread.id`, `thread.name`, `target` and, where asked for,
    ///   `level` are. `busy_ns` and `idle_ns` are not recorded;
    /// - an event of level ERROR inside it sets its status, as in every span of the layer's;
    /// - its start is read from the clock by the layer, some microseconds after the start that the
    ///   metric has. Its end is that of the metric.
    ///
    /// While it is on, what is *ambient* for all operations is the current span of `tracing` where
    /// that is inside the current context. Without context activation
    /// (`with_context_activation(false)` of the layer), an OpenTelemetry context that the
    /// application makes current inside a span of `tracing` is told from one around it by its
    /// trace only: if both are in one trace, the span of `tracing` counts as the inner one.
    pub const fn with_subscriber_spans(mut self, enabled: bool) -> Self {
        self.0.subscriber_spans = enabled && cfg!(feature = "tracing");
        self
    }

    /// Sets the target of process spans that are spans of `tracing`, which filters look at. Each
    /// distinct target is kept for the life of the process. Default: `otel_messaging`.
    #[cfg(feature = "tracing")]
    pub fn with_subscriber_target(mut self, target: impl Into<Cow<'static, str>>) -> Self {
        self.0.process_callsite.target = target.into();
        self
    }

    /// Sets the level of process spans that are spans of `tracing`, which filters look at. Default:
    /// INFO.
    #[cfg(feature = "tracing")]
    pub const fn with_subscriber_level(mut self, level: tracing::Level) -> Self {
        self.0.process_callsite.level = level;
        self
    }

    /// Switches metrics on or off. Default: on.
    pub const fn with_metrics(mut self, enabled: bool) -> Self {
        self.0.metrics = enabled;
        self
    }

    /// Sets which receives make spans. Default: `OTEL_MESSAGING_RECEIVE_SPANS`, else
    /// [`ReceiveSpans::All`].
    pub const fn with_receive_spans(mut self, receive_spans: ReceiveSpans) -> Self {
        self.0.receive_spans = receive_spans;
        self
    }

    /// Sets when the span of a send ends: with the broker's answer, or when the client has taken the
    /// message. Default: [`SendSpanEnd::Answer`].
    pub const fn with_send_span_end(mut self, end: SendSpanEnd) -> Self {
        self.0.send_span_end = end;
        self
    }

    /// Switches spans of settling (acknowledging, committing) on or off. Their metrics stay.
    /// Default: on.
    pub const fn with_settle_spans(mut self, enabled: bool) -> Self {
        self.0.settle_spans = enabled;
        self
    }

    /// Switches the create spans of batch sends on or off. While on, each message of a batch gets a
    /// span and a context of its own; while off, all messages carry the send span's context.
    /// Default: on.
    pub const fn with_create_spans(mut self, enabled: bool) -> Self {
        self.0.create_spans = enabled;
        self
    }

    /// Sets the parent of process spans. Default: `OTEL_MESSAGING_PROCESS_PARENT`, else
    /// [`ProcessParent::Ambient`].
    pub const fn with_process_parent(mut self, parent: ProcessParent) -> Self {
        self.0.process_parent = parent;
        self
    }

    /// Chooses the parent of a process span by its message, or its batch: [`MessageView`] says what
    /// `choose` sees. Where it returns `None` or panics, the parent is that of
    /// [`with_process_parent`](Self::with_process_parent).
    pub fn with_process_parent_by<F>(mut self, choose: F) -> Self
    where
        F: Fn(&MessageView<'_>) -> Option<ProcessParent> + Send + Sync + 'static,
    {
        self.0.process_parent_by = Some(Hook(Box::new(choose)));
        self
    }

    /// Sets how far the context that comes with a message is believed. Default:
    /// `OTEL_MESSAGING_TRUST`, else [`Trust::Full`].
    pub const fn with_trust(mut self, trust: Trust) -> Self {
        self.0.trust = trust;
        self
    }

    /// Chooses how far a context is believed by its message: [`MessageView`] says what `choose`
    /// sees. It is called when the context is read, before any span of the message: for a message
    /// that comes in, the operation is of the type Receive and called `receive`; for one that goes
    /// out and carries a context already, it is the send or create operation.
    ///
    /// Where it returns `None`, [`with_trust`](Self::with_trust) decides. Where it panics, nothing is
    /// believed: the message may have been made to cause that.
    pub fn with_trust_by<F>(mut self, choose: F) -> Self
    where
        F: Fn(&MessageView<'_>) -> Option<Trust> + Send + Sync + 'static,
    {
        self.0.trust_by = Some(Hook(Box::new(choose)));
        self
    }

    /// Takes only these keys of the baggage that comes with messages, spelled just so, whatever the
    /// propagator. No key at all takes no baggage. Default: all that [`Trust`] lets in.
    pub fn with_extracted_baggage<K: Into<String>>(
        mut self,
        keys: impl IntoIterator<Item = K>,
    ) -> Self {
        self.0.extracted_baggage = BaggageKeys::only(keys);
        self
    }

    /// Puts only these keys of the ambient baggage into messages, spelled just so. Baggage that
    /// is in a message already, because its headers are copied, is replaced by them. No key at all
    /// puts no baggage in. Default: all.
    ///
    /// A custom or global propagator is shown a context with these members only. It is not limited
    /// in what it writes from elsewhere than the context's baggage.
    pub fn with_injected_baggage<K: Into<String>>(
        mut self,
        keys: impl IntoIterator<Item = K>,
    ) -> Self {
        self.0.injected_baggage = BaggageKeys::only(keys);
        self
    }

    /// Sets how to treat trace headers that are already on an outgoing message. Default:
    /// [`ExistingContext::Replace`].
    pub const fn with_existing_context(mut self, existing: ExistingContext) -> Self {
        self.0.existing_context = existing;
        self
    }

    /// Sets the maximum number of links per span; match the SDK's `max_links_per_span`, which the
    /// API does not tell. Further links go to child spans named `links`, so that none is lost.
    /// Default: `OTEL_SPAN_LINK_COUNT_LIMIT`, else 128.
    ///
    /// The batch's span itself is started with all links, so that the sampler sees them. The SDK
    /// keeps the first ones and counts the others as dropped: `dropped_links_count` of that span is
    /// the number of links that its child spans carry. Raise the limit here and in the SDK to have
    /// all links on one span and a count of zero.
    pub const fn with_link_limit(mut self, limit: usize) -> Self {
        self.0.link_limit = if limit == 0 { 1 } else { limit };
        self
    }

    /// Sets how many distinct destination names may appear in span names and metrics; later ones
    /// are left out there, unless they have a template. Default: 200.
    pub const fn with_destination_limit(mut self, limit: usize) -> Self {
        self.0.destination_limit = limit;
        self
    }

    /// Gives destinations a low-cardinality template, which replaces the name in span names and
    /// metrics. It is called for destinations whose client knows no template.
    pub fn with_destination_templates<F>(mut self, template: F) -> Self
    where
        F: Fn(&str) -> Option<Cow<'static, str>> + Send + Sync + 'static,
    {
        self.0.destination_templates = Some(Hook(Box::new(template)));
        self
    }

    /// Makes no span for operations for which `filter` returns false. Their contexts are still
    /// propagated, and their metrics stay. [`MessageView`] says what `filter` sees.
    pub fn with_filter<F>(mut self, filter: F) -> Self
    where
        F: Fn(&MessageView<'_>) -> bool + Send + Sync + 'static,
    {
        self.0.filter = Some(Hook(Box::new(filter)));
        self
    }

    /// Adds attributes to the span of every operation when it starts, so that samplers see them.
    /// [`MessageView`] says what `attributes` sees.
    pub fn with_attributes<F>(mut self, attributes: F) -> Self
    where
        F: Fn(&MessageView<'_>) -> Vec<KeyValue> + Send + Sync + 'static,
    {
        self.0.attributes = Some(Hook(Box::new(attributes)));
        self
    }

    /// Renames classes of errors, for example to shorten type names. `error_types` gets the class
    /// that would be reported and returns the one to report instead; there must be few of them.
    pub fn with_error_types<F>(mut self, error_types: F) -> Self
    where
        F: Fn(&ErrorType) -> Option<ErrorType> + Send + Sync + 'static,
    {
        self.0.error_types = Some(Hook(Box::new(error_types)));
        self
    }

    /// Records the ids of the creation context on the process span of a single message, as the
    /// attributes `messaging.creation_context.trace_id` and `messaging.creation_context.span_id`.
    /// They are the ids of the span's link to the sender, for backends and collectors that cannot
    /// search by links: a search for a sender's trace id finds what became of its messages.
    /// Default: off.
    pub const fn with_creation_context_attributes(mut self, enabled: bool) -> Self {
        self.0.creation_context_attributes = enabled;
        self
    }

    /// Records message keys that are UTF-8. Of the clients, only Kafka's messages have keys.
    /// Default: off.
    pub const fn with_message_keys(mut self, enabled: bool) -> Self {
        self.0.message_keys = enabled;
        self
    }

    /// Records body and envelope sizes, in bytes. Default: off.
    pub const fn with_message_sizes(mut self, enabled: bool) -> Self {
        self.0.message_sizes = enabled;
        self
    }

    /// Records the headers of these names as `messaging.header.<name>`, where they are UTF-8. The
    /// last value of a repeated header counts. Default: none.
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
