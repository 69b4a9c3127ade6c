//! Process spans as spans of `tracing`, which a layer of `tracing-opentelemetry` records.

use opentelemetry::{
    Context, KeyValue, Value,
    trace::{Link, TraceContextExt},
};
pub(crate) use tracing::Span;
use tracing::field;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::{
    options::{diagnostics::Diagnostic, settings::Settings},
    span::{
        callsite::{Callsite, FIELDS, KIND_FIELD, NAME_FIELD},
        innermost,
    },
};

/// What came of the attempt to make a process span one of `tracing`.
pub(crate) enum Attempt {
    /// The span, and the context whose span it is.
    Recorded(Span, Context),
    /// No layer records it.
    NotRecorded,
    /// Telemetry code panicked.
    Panicked,
}

/// Starts a process span. The layer's sampler sees its attributes, its links and its parent.
///
/// `links` is called when there is a layer. The span's time starts before that. A root is no child
/// of the current span for `tracing` either.
pub(crate) fn start(
    settings: &Settings,
    name: &str,
    attributes: &[KeyValue],
    links: impl FnOnce() -> Vec<Link>,
    parent: &Context,
    is_root: bool,
) -> Attempt {
    let callsite = settings.process_callsite.get();
    if !callsite.is_enabled() {
        return Attempt::NotRecorded;
    }
    // Outside of the guard, so that it is not dropped while a panic unwinds: that may panic too.
    let mut span = Span::none();
    let started = settings.guard(Diagnostic::ProviderPanicked, || {
        let others;
        (span, others) = new_span(callsite, name, attributes, is_root);
        span.set_parent(parent.clone()).ok()?;
        for attribute in others {
            span.set_attribute(attribute.key.clone(), attribute.value.clone());
        }
        for link in links() {
            span.add_link_with_attributes(link.span_context, link.attributes);
        }
        // This starts the span.
        let context = span.context();
        let own = context.span().span_context().clone();
        // A span that is filtered out has no context. A tracer that does nothing makes no ids: it
        // answers with the parent's context.
        let is_real = own.is_valid() && own.span_id() != parent.span().span_context().span_id();
        is_real.then_some(context)
    });
    match started {
        Some(Some(context)) => Attempt::Recorded(span, context),
        not_started => {
            close(settings, span);
            not_started.map_or(Attempt::Panicked, |_| Attempt::NotRecorded)
        }
    }
}

/// Makes the span, and returns the attributes that it has no field for.
fn new_span<'a>(
    callsite: &'static Callsite,
    name: &'a str,
    attributes: &'a [KeyValue],
    is_root: bool,
) -> (Span, Vec<&'a KeyValue>) {
    let mut texts = [None; FIELDS.len()];
    let mut numbers = [None; FIELDS.len()];
    let mut switches = [None; FIELDS.len()];
    texts[NAME_FIELD] = Some(name);
    texts[KIND_FIELD] = Some("consumer");
    let mut others = Vec::new();
    let mut next = 0;
    for attribute in attributes {
        // Most attributes have the field after the one before.
        let is_field = |&index: &usize| FIELDS[index] == attribute.key.as_str();
        let field = (next..FIELDS.len()).chain(0..next).find(is_field);
        next = field.map_or(next, |field| field + 1);
        match (field, &attribute.value) {
            (Some(field), Value::String(text)) if texts[field].is_none() => {
                texts[field] = Some(text.as_str());
            }
            (Some(field), Value::I64(number)) if numbers[field].is_none() => {
                numbers[field] = Some(*number);
            }
            (Some(field), Value::Bool(switch)) if switches[field].is_none() => {
                switches[field] = Some(*switch);
            }
            _ => others.push(attribute),
        }
    }
    let mut values: [Option<&dyn field::Value>; FIELDS.len()] = [None; FIELDS.len()];
    for (index, value) in values.iter_mut().enumerate() {
        *value = match (&texts[index], &numbers[index], &switches[index]) {
            (Some(text), ..) => Some(text),
            (_, Some(number), _) => Some(number),
            (.., Some(switch)) => Some(switch),
            _ => None,
        };
    }
    (callsite.new_span(&values, is_root || innermost::is_detached()), others)
}

/// Closes a span: layers do their last work on it, unless others keep it.
pub(crate) fn close(settings: &Settings, span: Span) {
    settings.guard(Diagnostic::ProviderPanicked, || drop(span));
}

/// A span that is entered in this thread until this is dropped.
pub(crate) struct Entered<'a> {
    span: &'a Span,
    settings: &'a Settings,
}

impl<'a> Entered<'a> {
    pub(crate) fn new(span: &'a Span, settings: &'a Settings) -> Self {
        let enter = || span.with_subscriber(|(id, dispatch)| dispatch.enter(id));
        settings.guard(Diagnostic::ProviderPanicked, enter);
        Self { span, settings }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let exit = || self.span.with_subscriber(|(id, dispatch)| dispatch.exit(id));
        self.settings.guard(Diagnostic::ProviderPanicked, exit);
    }
}
