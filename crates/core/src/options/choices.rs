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

/// Says when the span of a send ends, where the broker answers: with a delivery report in Kafka, a
/// confirm in RabbitMQ, an acknowledgement in JetStream. Metrics do not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendSpanEnd {
    /// Ends it with the broker's answer.
    #[default]
    Answer,
    /// Ends it when the client has taken the message, so that no span is kept for a message in
    /// flight: with tens of thousands of them and every span sampled, that memory is most of what
    /// spans cost.
    ///
    /// Such a span does not tell whether the broker has stored the message: it has no error of the
    /// broker, not the time until the answer, and not the partition, offset or sequence that the
    /// broker chose. Metrics have the time and the error as before. The span of a batch ends with
    /// its last answer, and that of a request with the reply.
    HandOver,
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
    /// consumer are in one trace. Only a context that is fully believed becomes a parent: see
    /// [`Trust`].
    CreationContextIfNoAmbient,
    /// Takes the creation context as parent. Without one that is fully believed, as
    /// [`Ambient`](Self::Ambient).
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

/// Says how far to believe the trace context and the baggage that come with a message: whoever can
/// write messages can write any.
///
/// It is decided when a context is read, and holds for all that is done with the message: its
/// receive, process and settle spans, and its link in a batch. It holds for a context that is
/// restored by [`Instrumenter::restore`](crate::Instrumenter::restore), and for one that an outgoing
/// message carries already, unless [`ExistingContext::Keep`] calls that the application's own. What
/// the application passes on by hand is believed: by `send_with_context` and the like, or by
/// `CreationContext::to_context`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// Believes all of it: the context may become a parent where [`ProcessParent`] says so, and is
    /// propagated where there is no span; the baggage is current in the handler.
    #[default]
    Full,
    /// Only links to the context, by its ids and its sampled flag. It never becomes a parent and is
    /// not propagated. Its `tracestate` is dropped, and so is the baggage; neither is parsed by the
    /// W3C propagators.
    Links,
    /// Reads nothing: as if the message carried no context. The headers stay in the message.
    None,
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
