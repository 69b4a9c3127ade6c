//! The ambient context, of which the application itself asks.

use std::panic;

use opentelemetry::Context;

use crate::span::innermost;

/// Returns the ambient context: the current one, or that of the current span of `tracing` where that
/// is the innermost.
pub(crate) fn ambient() -> Context {
    panic::catch_unwind(innermost::current).unwrap_or_else(|_| Context::current())
}
