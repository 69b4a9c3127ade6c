//! Counts what a sampler kept of chains of linked traces, by the exported spans alone.

#[cfg(test)]
mod tests;

use std::fmt;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_sdk::trace::{Sampler, ShouldSample};
use otel_messaging::sampling::LinkSampler;

use otel_messaging_view::Traces;

use crate::{Result, audit::Hop, service::variable};

/// The variable with the sampler of a run, as `sticky:0.01`. Without it, all spans are sampled.
pub const SAMPLER: &str = "OTEL_MESSAGING_DEMO_SAMPLER";

/// The sampler that the environment names, if it names one.
pub fn sampler() -> Result<Option<Box<dyn ShouldSample>>> {
    let Some(text) = variable(SAMPLER) else { return Ok(None) };
    let (rule, rate) = text.split_once(':').ok_or("a sampler is RULE:RATE")?;
    let root = Sampler::TraceIdRatioBased(rate.parse()?);
    Ok(Some(match rule {
        "root" => Sampler::parent_based(root).into(),
        "any" => Sampler::parent_based(LinkSampler::any(root)).into(),
        "sticky" => Sampler::parent_based(LinkSampler::sticky(root)).into(),
        _ => return Err(format!("there is no sampler {rule}").into()),
    }))
}

/// What a sampler kept.
#[derive(Debug)]
pub struct Sampled<'a> {
    sampler: &'a str,
    orders: usize,
    requests: usize,
    hops: Vec<Kept<'a>>,
}

/// The consumers of one hop whose span was kept.
#[derive(Debug)]
struct Kept<'a> {
    hop: &'a Hop,
    consumers: usize,
    /// Those with a link to a span that was kept.
    linked: usize,
    /// Those from which kept spans lead back to a request.
    whole: usize,
}

impl<'a> Sampled<'a> {
    /// Counts the consumers of each hop.
    pub fn new(traces: &Traces, sampler: &'a str, orders: usize, hops: &'a [Hop]) -> Self {
        let all = 0..traces.spans.len();
        let hops = hops.iter().map(|hop| {
            let consumers = all.clone().filter(|&it| hop.is_taken_by(&traces.spans[it]));
            let consumers: Vec<usize> = consumers.collect();
            let linked = consumers.iter().filter(|&&it| targets(traces, it).next().is_some());
            let whole = consumers.iter().filter(|&&it| leads_to_request(traces, it));
            Kept { hop, consumers: consumers.len(), linked: linked.count(), whole: whole.count() }
        });
        let hops = hops.collect();
        let requests = all.filter(|&it| is_request(traces, it)).count();
        Self { sampler, orders, requests, hops }
    }
}

fn is_request(traces: &Traces, span: usize) -> bool {
    traces.spans[span].otlp.kind() == SpanKind::Server
}

fn targets(traces: &Traces, span: usize) -> impl Iterator<Item = usize> {
    traces.links(span).filter_map(|link| traces.target(link))
}

/// Returns whether kept spans lead from this one to a request: along parents, and over links.
fn leads_to_request(traces: &Traces, span: usize) -> bool {
    let causes = || traces.parent(span).into_iter().chain(targets(traces, span));
    is_request(traces, span) || causes().any(|cause| leads_to_request(traces, cause))
}

impl fmt::Display for Sampled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sampler, orders, requests, hops } = self;
        write!(f, "{sampler}: {requests} of {orders} requests are kept")?;
        for Kept { hop, consumers, linked, whole } in hops {
            write!(f, "\n{hop}: {consumers} consumers are kept, ")?;
            write!(f, "{linked} with a link to a kept span, {whole} in a chain to a kept request")?;
        }
        Ok(())
    }
}
