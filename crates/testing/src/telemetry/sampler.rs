//! What a head sampler gets to see when a span is created.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanContext, SpanKind, TraceContextExt as _, TraceId},
};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

/// A sampler that always decides the same and keeps what it was asked.
///
/// Clones share what they keep: one goes into the provider, one stays with the test.
#[derive(Clone, Debug)]
pub struct SeenBySampler {
    decision: SamplingDecision,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// One question to the sampler: a span as it was at creation.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The span's name.
    pub name: String,
    /// The span's kind.
    pub kind: SpanKind,
    /// The attributes that the span was created with.
    pub attributes: Vec<KeyValue>,
    /// All links that the span was created with, before any limit.
    pub links: Vec<Link>,
    /// The parent, where there is a valid one.
    pub parent: Option<SpanContext>,
}

impl SeenBySampler {
    /// A sampler that answers every question with `decision`.
    pub fn new(decision: SamplingDecision) -> Self {
        Self { decision, seen: Arc::default() }
    }

    /// What it was asked so far, in order.
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
