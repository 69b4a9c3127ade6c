//! What a parent or a link is expected to refer to.

use std::borrow::Cow;

use opentelemetry::{SpanId, TraceId, trace::SpanContext};

/// The expected target of a parent or a link: the label of an expected span, or a span context.
#[derive(Clone, Debug)]
pub enum Target {
    /// The expected span with this label.
    Label {
        /// The label.
        label: Cow<'static, str>,
        /// Whether the context is marked as remote: see [`remote`].
        is_remote: bool,
    },
    /// The span with this context, which need not be a finished span of the test.
    Context(SpanContext),
}

/// Expects a context that is marked as remote, which a context extracted from a message is.
///
/// A label without it expects the context that was passed on inside the process.
pub fn remote(target: impl Into<Target>) -> Target {
    match target.into() {
        Target::Label { label, .. } => Target::Label { label, is_remote: true },
        Target::Context(context) => Target::Context(SpanContext::new(
            context.trace_id(),
            context.span_id(),
            context.trace_flags(),
            true,
            context.trace_state().clone(),
        )),
    }
}

/// Returns the ids that identify a span.
pub(super) fn ids(context: &SpanContext) -> (TraceId, SpanId) {
    (context.trace_id(), context.span_id())
}

impl Target {
    pub(super) fn is_remote(&self) -> bool {
        match self {
            Self::Label { is_remote, .. } => *is_remote,
            Self::Context(context) => context.is_remote(),
        }
    }
}

impl From<&'static str> for Target {
    fn from(label: &'static str) -> Self {
        Self::Label { label: label.into(), is_remote: false }
    }
}

impl From<String> for Target {
    fn from(label: String) -> Self {
        Self::Label { label: label.into(), is_remote: false }
    }
}

impl From<SpanContext> for Target {
    fn from(context: SpanContext) -> Self {
        Self::Context(context)
    }
}

impl From<&SpanContext> for Target {
    fn from(context: &SpanContext) -> Self {
        Self::Context(context.clone())
    }
}
