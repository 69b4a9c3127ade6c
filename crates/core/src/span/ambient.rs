//! The ambient context, of which the application itself asks.

use std::panic;

use opentelemetry::{Context, baggage::BaggageExt};

use crate::{message::creation_context::copy, span::innermost};

/// Returns the ambient context: the current one, or that of the current span of `tracing` where that
/// is the innermost.
pub(crate) fn ambient() -> Context {
    panic::catch_unwind(innermost::current).unwrap_or_else(|_| Context::current())
}

/// Returns a context without a span, for a span that starts a trace. It has the baggage of
/// `context`.
///
/// Nothing takes the span alone out of a context, and a sampler such as `Sampler::ParentBased` takes
/// an invalid span for a parent that is not sampled.
pub(crate) fn without_span(context: &Context) -> Context {
    let baggage = context.baggage();
    if baggage.is_empty() { Context::new() } else { Context::new().with_baggage(copy(baggage)) }
}
