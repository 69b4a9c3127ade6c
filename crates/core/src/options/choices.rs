//! The choices that an instrumentation has beside switches.

/// Says which receives make spans. Metrics, and the links of process spans, do not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveSpans {
    /// Makes one for each receive that handed over messages, or failed.
    #[default]
    All,
    /// Makes them for batches only, and for receives that failed.
    Batches,
    /// Makes none.
    None,
}

/// Says what the parent of a process span is.
///
/// The messages' creation contexts are linked in every case, and so is an ambient span that is not
/// the parent. A batch has the ambient span as its parent, or with [`Root`](Self::Root) none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessParent {
    /// Takes the ambient span as parent; without one, the process span starts a trace.
    #[default]
    Ambient,
    /// Takes the ambient span as parent; without one, the creation context, so that producer and
    /// consumer are in one trace.
    CreationContextIfNoAmbient,
    /// Takes the creation context as parent. Without one, as [`Ambient`](Self::Ambient).
    CreationContext,
    /// Starts a new trace, whatever is ambient: for consumers that work inside a span which lasts
    /// as long as they do.
    ///
    /// The span starts in a context that has the baggage and no other value, so that samplers see
    /// no parent. A process span that is a span of `tracing` is a root for `tracing` too, and its
    /// handler has that context with the span. Where there is no process span, because spans are
    /// off or filtered out, the handler works in the creation context, else in the ambient one.
    Root,
}

/// Says how to treat a trace context that an outgoing message carries already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExistingContext {
    /// Replaces it by the send span's context, and links the send span to it. This is right for
    /// messages that are forwarded, retried or dead-lettered.
    #[default]
    Replace,
    /// Keeps it, and links the send span to it. This is right where the application creates the
    /// messages' contexts itself.
    Keep,
}
