//! Propagators that the rules use: the core's own code, and others behind the API's traits.

use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::{SpanContext, TraceContextExt as _, TraceState},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use otel_messaging_core::Propagation;

/// Returns all propagators that write W3C Trace Context. Each has to pass the same tests.
pub(super) fn w3c() -> [Propagation; 3] {
    [
        Propagation::TraceContext,
        Propagation::TraceContextAndBaggage,
        Propagation::custom(Wrapped::default()),
    ]
}

/// The SDK's propagator in another type, so that the core treats it as a custom propagator.
#[derive(Debug, Default)]
pub(super) struct Wrapped(TraceContextPropagator);

impl TextMapPropagator for Wrapped {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        self.0.inject_context(context, injector);
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        self.0.extract_with_context(context, extractor)
    }

    fn fields(&self) -> FieldIter<'_> {
        self.0.fields()
    }
}

/// A propagator with its own format, in one field.
#[derive(Debug, Default)]
pub(super) struct OneField;

/// The field of [`OneField`].
pub(super) const ONE_FIELD: &str = "x-trace";

impl TextMapPropagator for OneField {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let span = context.span();
        let span = span.span_context();
        if span.is_valid() {
            injector.set(ONE_FIELD, format!("{}/{}", span.trace_id(), span.span_id()));
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let span = extractor.get(ONE_FIELD).and_then(|text| {
            let (trace, span) = text.split_once('/')?;
            let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
            Some(SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE))
        });
        span.map_or_else(|| context.clone(), |span| context.with_remote_span_context(span))
    }

    fn fields(&self) -> FieldIter<'_> {
        use std::sync::LazyLock;
        static FIELDS: LazyLock<[String; 1]> = LazyLock::new(|| [ONE_FIELD.to_owned()]);
        FieldIter::new(&*FIELDS)
    }
}
