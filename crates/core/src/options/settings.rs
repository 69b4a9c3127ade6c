//! The options that an application chose, and its hooks.

use std::{
    borrow::Cow,
    collections::HashSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
};

use opentelemetry::{
    InstrumentationScope, Key, KeyValue,
    global::{self, BoxedTracer, ObjectSafeTracerProvider},
    metrics::MeterProvider,
    trace::TracerProvider as _,
};

use crate::{
    ErrorType, ExistingContext, MessageView, ProcessParent, Propagation, ReceiveSpans, SendSpanEnd,
    System, Trust,
    options::{
        baggage_keys::BaggageKeys,
        diagnostics::{Diagnostic, Diagnostics},
    },
    semconv,
    span::metrics::Instruments,
};

/// The default of every SDK for the links of a span. The builder and the SDK's own environment
/// variable override it.
const DEFAULT_LINK_LIMIT: usize = 128;
const DEFAULT_DESTINATION_LIMIT: usize = 200;

/// The options of one instrumentation.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the builder")]
pub(crate) struct Settings {
    pub(crate) tracer_provider: Option<Box<dyn ObjectSafeTracerProvider + Send + Sync>>,
    pub(crate) meter_provider: Option<Box<dyn MeterProvider + Send + Sync>>,
    pub(crate) propagator: Propagation,
    pub(crate) propagation: bool,
    pub(crate) tracing: bool,
    pub(crate) subscriber_spans: bool,
    #[cfg(feature = "tracing")]
    pub(crate) process_callsite: crate::span::callsite::ProcessCallsite,
    pub(crate) metrics: bool,
    pub(crate) receive_spans: ReceiveSpans,
    pub(crate) settle_spans: bool,
    pub(crate) create_spans: bool,
    pub(crate) process_parent: ProcessParent,
    pub(crate) process_parent_by: Option<Hook<Choose<ProcessParent>>>,
    pub(crate) trust: Trust,
    pub(crate) trust_by: Option<Hook<Choose<Trust>>>,
    pub(crate) extracted_baggage: BaggageKeys,
    pub(crate) injected_baggage: BaggageKeys,
    pub(crate) send_span_end: SendSpanEnd,
    pub(crate) existing_context: ExistingContext,
    pub(crate) link_limit: usize,
    pub(crate) creation_context_attributes: bool,
    pub(crate) message_keys: bool,
    pub(crate) message_sizes: bool,
    pub(crate) captured_headers: Vec<(String, Key)>,
    pub(crate) destination_limit: usize,
    destinations: RwLock<HashSet<Box<str>>>,
    pub(crate) destination_templates:
        Option<Hook<dyn Fn(&str) -> Option<Cow<'static, str>> + Send + Sync>>,
    pub(crate) filter: Option<Hook<dyn Fn(&MessageView<'_>) -> bool + Send + Sync>>,
    pub(crate) attributes: Option<Hook<dyn Fn(&MessageView<'_>) -> Vec<KeyValue> + Send + Sync>>,
    pub(crate) error_types: Option<Hook<dyn Fn(&ErrorType) -> Option<ErrorType> + Send + Sync>>,
    pub(crate) diagnostics: Diagnostics,
    instruments: Mutex<Vec<KnownInstruments>>,
}

impl Default for Settings {
    fn default() -> Self {
        let link_limit = std::env::var("OTEL_SPAN_LINK_COUNT_LIMIT")
            .ok()
            .and_then(|limit| limit.trim().parse().ok())
            .filter(|&limit| limit > 0);
        Self {
            tracer_provider: None,
            meter_provider: None,
            propagator: Propagation::Global,
            propagation: true,
            tracing: true,
            subscriber_spans: cfg!(feature = "tracing"),
            #[cfg(feature = "tracing")]
            process_callsite: crate::span::callsite::ProcessCallsite::default(),
            metrics: true,
            receive_spans: ReceiveSpans::All,
            settle_spans: true,
            create_spans: true,
            process_parent: ProcessParent::Ambient,
            process_parent_by: None,
            trust: Trust::Full,
            trust_by: None,
            extracted_baggage: BaggageKeys::All,
            injected_baggage: BaggageKeys::All,
            send_span_end: SendSpanEnd::Answer,
            existing_context: ExistingContext::Replace,
            link_limit: link_limit.unwrap_or(DEFAULT_LINK_LIMIT),
            creation_context_attributes: false,
            message_keys: false,
            message_sizes: false,
            captured_headers: Vec::new(),
            destination_limit: DEFAULT_DESTINATION_LIMIT,
            destinations: RwLock::default(),
            destination_templates: None,
            filter: None,
            attributes: None,
            error_types: None,
            diagnostics: Diagnostics::default(),
            instruments: Mutex::default(),
        }
    }
}

impl Settings {
    /// Returns what makes tracers of `system`, all by the same provider.
    pub(crate) fn tracers(&self, system: System) -> impl Fn() -> BoxedTracer {
        let scope = scope_of(system);
        let global = global::tracer_provider();
        move || match &self.tracer_provider {
            Some(provider) => BoxedTracer::new(provider.boxed_tracer(scope.clone())),
            None => global.tracer_with_scope(scope.clone()),
        }
    }

    /// Returns the instruments of `system`, which all its producers and consumers share; `None`
    /// while the global provider is the API's own no-op.
    pub(crate) fn instruments(&self, system: System) -> Option<Arc<Instruments>> {
        let scope = scope_of(system);
        let (global, meter) = if let Some(provider) = &self.meter_provider {
            (None, provider.meter_with_scope(scope.clone()))
        } else {
            let provider = global::meter_provider();
            // The API's no-op provider is an empty struct, and nothing else tells it from a real
            // one. A real provider holds a pipeline.
            if size_of_val(&*provider) == 0 {
                return None;
            }
            (Some(Arc::downgrade(&provider)), provider.meter_with_scope(scope.clone()))
        };
        let mut known = self.instruments.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |known: &KnownInstruments| match (&known.global, &global) {
            (None, None) => true,
            (Some(known), Some(global)) => Weak::ptr_eq(known, global),
            _ => false,
        };
        // The global provider may have been replaced.
        known.retain(|known| is_same(known));
        if let Some(known) = known.iter().find(|known| known.scope == scope) {
            return Some(Arc::clone(&known.instruments));
        }
        let instruments = Arc::new(Instruments::new(&meter));
        known.push(KnownInstruments { global, scope, instruments: Arc::clone(&instruments) });
        Some(instruments)
    }

    /// Returns whether `name` is among the first distinct ones, which may become labels.
    pub(crate) fn admits(&self, name: &str) -> bool {
        let names = self.destinations.read().unwrap_or_else(PoisonError::into_inner);
        let (is_known, is_full) = (names.contains(name), names.len() >= self.destination_limit);
        // A subscriber of the diagnostic may send messages too: release the lock first.
        drop(names);
        if is_known {
            return true;
        }
        if is_full {
            self.diagnostics.report(Diagnostic::TooManyDestinations);
            return false;
        }
        let mut names = self.destinations.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() < self.destination_limit {
            names.insert(name.into());
        }
        names.contains(name)
    }

    /// Returns whether any attribute of a message that is off by default is wanted.
    pub(crate) const fn wants_opt_ins(&self) -> bool {
        self.message_keys || self.message_sizes || !self.captured_headers.is_empty()
    }

    pub(crate) fn template(&self, name: &str) -> Option<Cow<'static, str>> {
        let Hook(template) = self.destination_templates.as_ref()?;
        self.guard(Diagnostic::HookPanicked, || template(name)).flatten()
    }

    /// Returns whether the filter, if there is one, wants a span.
    pub(crate) fn passes<'a>(&self, view: impl FnOnce() -> MessageView<'a>) -> bool {
        match &self.filter {
            Some(Hook(filter)) => {
                self.guard(Diagnostic::HookPanicked, || filter(&view())).unwrap_or(true)
            }
            None => true,
        }
    }

    pub(crate) fn extra_attributes<'a>(
        &self,
        view: impl FnOnce() -> MessageView<'a>,
    ) -> Option<Vec<KeyValue>> {
        let Hook(attributes) = self.attributes.as_ref()?;
        self.guard(Diagnostic::HookPanicked, || attributes(&view()))
    }

    pub(crate) fn process_parent<'a>(
        &self,
        view: impl FnOnce() -> MessageView<'a>,
    ) -> ProcessParent {
        let chosen = self.process_parent_by.as_ref().and_then(|Hook(choose)| {
            self.guard(Diagnostic::HookPanicked, || choose(&view())).flatten()
        });
        chosen.unwrap_or(self.process_parent)
    }

    #[inline]
    pub(crate) fn trust<'a>(&self, view: impl FnOnce() -> MessageView<'a>) -> Trust {
        let Some(Hook(choose)) = &self.trust_by else { return self.trust };
        match self.guard(Diagnostic::HookPanicked, || choose(&view())) {
            Some(chosen) => chosen.unwrap_or(self.trust),
            // The message may have been made to cause the panic.
            None => Trust::None,
        }
    }

    pub(crate) fn error_type(&self, error_type: ErrorType) -> ErrorType {
        match &self.error_types {
            Some(Hook(rename)) => {
                let renamed = self.guard(Diagnostic::HookPanicked, || rename(&error_type));
                renamed.flatten().unwrap_or(error_type)
            }
            None => error_type,
        }
    }

    /// Runs code of the application or of its telemetry, whose panic must not reach the client;
    /// reports `diagnostic` if it panics.
    pub(crate) fn guard<T>(&self, diagnostic: Diagnostic, code: impl FnOnce() -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(code)).ok();
        if result.is_none() {
            self.diagnostics.report(diagnostic);
        }
        result
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("propagator", &self.propagator)
            .field("propagation", &self.propagation)
            .field("tracing", &self.tracing)
            .field("metrics", &self.metrics)
            .field("receive_spans", &self.receive_spans)
            .field("settle_spans", &self.settle_spans)
            .field("create_spans", &self.create_spans)
            .field("process_parent", &self.process_parent)
            .field("trust", &self.trust)
            .field("extracted_baggage", &self.extracted_baggage)
            .field("injected_baggage", &self.injected_baggage)
            .field("send_span_end", &self.send_span_end)
            .field("existing_context", &self.existing_context)
            .field("link_limit", &self.link_limit)
            .field("destination_limit", &self.destination_limit)
            .finish_non_exhaustive()
    }
}

/// Chooses for one message, or leaves it to the instrumentation's own choice.
pub(crate) type Choose<T> = dyn Fn(&MessageView<'_>) -> Option<T> + Send + Sync;

fn scope_of(system: System) -> InstrumentationScope {
    let (name, version) = system.scope();
    InstrumentationScope::builder(name)
        .with_version(version)
        .with_schema_url(semconv::SCHEMA_URL)
        .build()
}

/// The instruments of a system, and the global provider that made them, if it was that one.
struct KnownInstruments {
    global: Option<Weak<dyn MeterProvider + Send + Sync>>,
    scope: InstrumentationScope,
    instruments: Arc<Instruments>,
}

/// A function that the application gave.
pub(crate) struct Hook<F: ?Sized>(pub(crate) Box<F>);
