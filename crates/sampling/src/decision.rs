//! How a span is decided.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    iter,
    sync::atomic::Ordering,
    time::Instant,
};

use opentelemetry::{
    Context, KeyValue, TraceId, otel_warn,
    trace::{Link, SpanContext, SpanKind, TraceContextExt},
};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

use crate::{
    link_sampler::{LinkSampler, Rule, UnsampledLinks},
    origin,
};

/// A [`LinkSampler`] as the SDK calls it. It is private: applications could put it into a sampler
/// that discards its `tracestate`.
#[derive(Clone, Debug)]
pub(crate) struct LinkedRoot(pub(crate) LinkSampler);

impl ShouldSample for LinkedRoot {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let Self(sampler) = self;
        let ask = |sampler: &dyn ShouldSample, trace_id| {
            sampler.should_sample(parent, trace_id, name, kind, attributes, links)
        };
        let constant = |is_sampled| {
            ask(if is_sampled { &Sampler::AlwaysOn } else { &Sampler::AlwaysOff }, trace_id)
        };
        // `Sampler::parent_based` does not ask about children. As the provider's own sampler it is
        // asked.
        let parent_is_sampled = parent.and_then(|parent| {
            let span = parent.span();
            let context = span.span_context();
            context.is_valid().then(|| context.is_sampled())
        });
        if let Some(is_sampled) = parent_is_sampled {
            return constant(is_sampled);
        }
        let mut counting = links
            .iter()
            .take(sampler.max_links)
            .map(|link| &link.span_context)
            .filter(|link| link.is_valid() && link.is_remote());
        let Some(first) = counting.next() else { return ask(&*sampler.root, trace_id) };
        let Rule::Sampled { share, bound } = &sampler.rule else {
            return sampler.follow_origin(first, |origin| ask(&*sampler.root, origin));
        };
        let is_batch = counting.clone().next().is_some();
        let is_reached = reaches(*share, iter::once(first).chain(counting));
        let is_admitted = bound.as_ref().filter(|_| is_batch).is_none_or(|bound| {
            let batch = (first.trace_id(), first.span_id(), links.len());
            bound.admits(batch, is_reached, Instant::now())
        });
        match (is_reached, sampler.unsampled_links) {
            (false, UnsampledLinks::Root) => ask(&*sampler.root, derived(first.trace_id())),
            _ => constant(is_reached && is_admitted),
        }
    }
}

impl LinkSampler {
    /// Asks `root` about the origin of a link, and puts that into the `tracestate` of the new
    /// trace.
    fn follow_origin(
        &self,
        link: &SpanContext,
        root: impl FnOnce(TraceId) -> SamplingResult,
    ) -> SamplingResult {
        let told = origin::read(link.trace_state());
        let origin = told.unwrap_or_else(|| link.trace_id());
        let mut result = root(origin);
        result.trace_state = origin::write(&result.trace_state, origin);
        let is_contradiction = told.is_none()
            && link.is_sampled()
            && result.decision != SamplingDecision::RecordAndSample;
        if is_contradiction && !self.has_warned.swap(true, Ordering::Relaxed) {
            otel_warn!(
                name: "Messaging.LinkedTraceOfAnotherSampler",
                message = "A linked trace is sampled although this service's root sampler drops it, \
                    so a chain of traces is not whole. Either its service has another sampler or a \
                    higher rate, or its tracestate was lost: a LinkSampler has to be passed to \
                    Sampler::parent_based(..), not to Sampler::ParentBased(..), and propagators have \
                    to propagate tracestate. Further cases are not reported."
            );
        }
        result
    }
}

/// Returns whether at least one link is sampled, and at least `share` of them.
fn reaches<'a>(share: f64, mut links: impl Iterator<Item = &'a SpanContext>) -> bool {
    if share <= 0.0 {
        return links.any(SpanContext::is_sampled);
    }
    let (sampled, all) = links
        .fold((0, 0), |(sampled, all), link| (sampled + u32::from(link.is_sampled()), all + 1_u32));
    f64::from(sampled) >= share * f64::from(all)
}

/// Returns an id that is the same for all spans of a message, and as good as a new one: the trace
/// id's own randomness has been used by the producer's sampler, which dropped it.
fn derived(trace_id: TraceId) -> TraceId {
    let mut hasher = DefaultHasher::new();
    trace_id.to_bytes().hash(&mut hasher);
    TraceId::from(u128::from(hasher.finish()))
}
