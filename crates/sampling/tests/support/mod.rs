//! Ids from a seed, and the questions that the SDK asks a sampler.
#![allow(dead_code, reason = "each test uses a part")]

use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    trace::{Link, SpanContext, SpanKind},
};
use opentelemetry_sdk::trace::{IdGenerator, SamplingDecision, ShouldSample};

/// Generates the same ids in each run (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Ids(AtomicU64);

impl Ids {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15;
        let mut value = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ value >> 31
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or_default()
    }
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(u128::from(self.next()) << 64 | u128::from(self.next()))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(self.next())
    }
}

/// Asks a sampler about a process span in a new trace, and returns what the span's context would
/// be.
pub(crate) fn root_span(sampler: &dyn ShouldSample, trace_id: u128, links: &[Link]) -> SpanContext {
    span(sampler, &Context::new(), TraceId::from(trace_id), links)
}

/// Asks a sampler about a process span.
pub(crate) fn span(
    sampler: &dyn ShouldSample,
    parent: &Context,
    trace_id: TraceId,
    links: &[Link],
) -> SpanContext {
    let (name, kind) = ("process orders", SpanKind::Consumer);
    let result = sampler.should_sample(Some(parent), trace_id, name, &kind, &[], links);
    let flags =
        TraceFlags::default().with_sampled(result.decision == SamplingDecision::RecordAndSample);
    SpanContext::new(trace_id, SpanId::from(7), flags, true, result.trace_state)
}

/// Makes a link to the span that sent a message.
pub(crate) fn link(trace_id: u128, is_sampled: bool, trace_state: &str) -> Link {
    let flags = TraceFlags::default().with_sampled(is_sampled);
    let state = trace_state.parse().unwrap_or_default();
    let (trace_id, span_id) = (TraceId::from(trace_id), SpanId::from(1));
    Link::with_context(SpanContext::new(trace_id, span_id, flags, true, state))
}

/// So many of so many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) count: usize,
    pub(crate) of: usize,
}

impl Share {
    pub(crate) fn value(self) -> f64 {
        self.count as f64 / self.of as f64
    }

    /// Asserts that it is the expected one of independent draws, within six standard deviations.
    #[track_caller]
    pub(crate) fn assert(self, expected: f64, draws: usize, what: &str) {
        let deviation = (expected * (1.0 - expected) / draws as f64).sqrt();
        let difference = (self.value() - expected).abs();
        assert!(difference <= 6.0 * deviation, "{what}: {self:?}, not {expected} ± {deviation}");
    }

    #[track_caller]
    pub(crate) fn assert_all(self, what: &str) {
        assert_eq!(self.count, self.of, "{what}");
    }
}
