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

/// Says what the parent of the process span of a single message is.
///
/// The message's creation context is linked in every case. The parent of a batch is always the
/// ambient span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessParent {
    /// Takes the ambient span as parent; without one, the process span starts a trace.
    #[default]
    Ambient,
    /// Takes the ambient span as parent; without one, the creation context, so that producer and
    /// consumer are in one trace.
    CreationContextIfNoAmbient,
    /// Takes the creation context as parent. An ambient span is linked.
    CreationContext,
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
