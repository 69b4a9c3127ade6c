//! A sampler that keeps what it is asked when a span is created.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanContext, SpanKind, TraceContextExt as _, TraceId},
};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

/// A sampler that always makes the same decision and keeps what it was asked.
///
/// Clones share what they keep, so that the test can keep a clone of the provider's sampler.
#[derive(Clone, Debug)]
pub struct SeenBySampler {
    decision: SamplingDecision,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A span at its creation, as the sampler gets it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The name of the span.
    pub name: String,
    /// The kind of the span.
    pub kind: SpanKind,
    /// The attributes that the span was created with.
    pub attributes: Vec<KeyValue>,
    /// All links that the span was created with, before any limit.
    pub links: Vec<Link>,
    /// The parent, if it is valid.
    pub parent: Option<SpanContext>,
}

impl SeenBySampler {
    /// Creates a sampler that always decides `decision`.
    pub fn new(decision: SamplingDecision) -> Self {
        Self { decision, seen: Arc::default() }
    }

    /// Returns the spans that it was asked about, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ShouldSample for SeenBySampler {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        _: TraceId,
        name: &str,
        span_kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let parent = parent_context
            .map(|context| context.span().span_context().clone())
            .filter(SpanContext::is_valid);
        let trace_state =
            parent.as_ref().map(|parent| parent.trace_state().clone()).unwrap_or_default();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(Seen {
            name: name.to_owned(),
            kind: span_kind.clone(),
            attributes: attributes.to_vec(),
            links: links.to_vec(),
            parent,
        });
        SamplingResult { decision: self.decision.clone(), attributes: Vec::new(), trace_state }
    }
}
