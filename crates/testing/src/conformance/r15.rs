use std::collections::HashSet;

use opentelemetry::trace::{SpanContext, SpanId, SpanKind};
use opentelemetry_sdk::trace::SamplingDecision;
use otel_messaging_core::{OperationType, semconv};

use super::{
    Broker,
    scene::{Scene, foreign, foreign_context, order},
};
use crate::{
    attributes::assert_attributes,
    telemetry::{FinishedSpan, SeenBySampler, Telemetry},
};

const COUNT: usize = 500;
/// The default limit of links per span of all SDKs.
const DEFAULT_LIMIT: usize = 128;

/// All links of a batch are exported: the span has as many as the SDK's limit allows, and INTERNAL
/// child spans without duration have the rest. The sampler sees all links.
pub async fn r15_no_link_is_lost<B: Broker>() {
    received_and_processed::<B>().await;
    sent::<B>().await;
    with_the_limit_raised::<B>().await;
    with_the_limit_lowered::<B>().await;
    not_sampled::<B>().await;
}

async fn with_limits<B: Broker>(
    decision: SamplingDecision,
    limit: Option<u32>,
) -> (Scene<B>, SeenBySampler) {
    let sampler = SeenBySampler::new(decision);
    let telemetry = Telemetry::builder().with_sampler(sampler.clone());
    let scene = match limit {
        Some(limit) => {
            let telemetry = telemetry.with_max_links_per_span(limit);
            Scene::on(telemetry, |builder| builder.with_link_limit(limit as usize)).await
        }
        None => Scene::on(telemetry, |builder| builder).await,
    };
    (scene, sampler)
}

async fn send_foreign<B: Broker>(scene: &Scene<B>) {
    let message = |id| order().with_headers([("traceparent", foreign(id))]);
    scene.broker.send_foreign((0..COUNT).map(message).collect()).await;
}

fn foreign_contexts() -> HashSet<SpanId> {
    (0..COUNT).map(|id| foreign_context(id).span_id()).collect()
}

async fn receive_and_process<B: Broker>(scene: &Scene<B>) {
    send_foreign(scene).await;
    let batch = scene.broker.receive_batch(COUNT).await.expect("a batch is received");
    batch.process(async {}).await;
}

async fn received_and_processed<B: Broker>() {
    let (scene, sampler) = with_limits::<B>(SamplingDecision::RecordAndSample, None).await;
    receive_and_process(&scene).await;
    for operation in [OperationType::Receive, OperationType::Process] {
        let name = scene.broker.destination(operation, "orders");
        let name = format!("{} {name}", scene.verb(operation));
        let links = assert_carried_by_children::<B>(&scene, &name, DEFAULT_LIMIT);
        assert_eq!(links, foreign_contexts(), "{name}");
        assert_sampler_saw_all(&sampler, &name);
    }
    // Two spans with three child spans each.
    assert_eq!(scene.telemetry.spans().len(), 2 * 4);
}

async fn sent<B: Broker>() {
    let (scene, sampler) = with_limits::<B>(SamplingDecision::RecordAndSample, None).await;
    scene.broker.send_batch(vec![order(); COUNT]).await;
    let spans = scene.telemetry.spans();
    let created = spans.iter().filter(|span| span.name.starts_with("create "));
    let created: HashSet<SpanId> = created.map(|span| span.span_context.span_id()).collect();
    assert_eq!(created.len(), COUNT);
    let name = scene.broker.destination(OperationType::Send, "orders");
    let name = format!("{} {name}", B::SEND.name());
    let links = assert_carried_by_children::<B>(&scene, &name, DEFAULT_LIMIT);
    assert_eq!(links, created);
    assert_sampler_saw_all(&sampler, &name);
    assert_eq!(spans.len(), COUNT + 4);
}

async fn with_the_limit_raised<B: Broker>() {
    let raised = u32::try_from(COUNT).expect("a small number");
    let (scene, sampler) = with_limits::<B>(SamplingDecision::RecordAndSample, Some(raised)).await;
    receive_and_process(&scene).await;
    let spans = scene.telemetry.spans();
    assert_eq!(spans.len(), 2, "each span has all links, without child spans");
    for span in spans {
        assert_eq!(linked_by(&span), foreign_contexts(), "{}", span.name);
        assert_eq!(span.links.dropped_count, 0);
        assert_sampler_saw_all(&sampler, &span.name);
    }
}

async fn with_the_limit_lowered<B: Broker>() {
    let (scene, _) = with_limits::<B>(SamplingDecision::RecordAndSample, Some(100)).await;
    receive_and_process(&scene).await;
    for operation in [OperationType::Receive, OperationType::Process] {
        let name = scene.broker.destination(operation, "orders");
        let name = format!("{} {name}", scene.verb(operation));
        let links = assert_carried_by_children::<B>(&scene, &name, 100);
        assert_eq!(links, foreign_contexts(), "{name}");
    }
}

/// Asserts that a span that does not record has no child spans for links.
async fn not_sampled<B: Broker>() {
    let (scene, sampler) = with_limits::<B>(SamplingDecision::Drop, None).await;
    receive_and_process(&scene).await;
    scene.telemetry.assert_spans([]);
    let seen = sampler.seen();
    assert_eq!(seen.len(), 2, "the sampler was called once per batch: {seen:#?}");
    assert!(seen.iter().all(|seen| seen.links.len() == COUNT));
}

/// Asserts that the span called `name` has `limit` links and its child spans have the rest. Returns
/// the ids of all linked spans.
#[track_caller]
fn assert_carried_by_children<B: Broker>(
    scene: &Scene<B>,
    name: &str,
    limit: usize,
) -> HashSet<SpanId> {
    let span = scene.the_span(name);
    let own = span.span_context.clone();
    let mut carriers = scene.telemetry.spans();
    carriers.retain(|carrier| carrier.parent_span_id == own.span_id());
    assert_eq!(span.links.len(), limit, "the span has as many links as the limit allows");
    assert_eq!(span.links.dropped_count as usize, COUNT - limit);
    assert_eq!(
        carriers.len(),
        (COUNT - limit).div_ceil(limit),
        "there are no more child spans than needed"
    );
    let mut links = linked_by(&span);
    let mut count = span.links.len();
    for carrier in carriers {
        assert_eq!(carrier.span_kind, SpanKind::Internal);
        assert_eq!(carrier.start_time, carrier.end_time, "a child span has no duration");
        assert_attributes(&carrier.attributes, [(semconv::SYSTEM, B::SYSTEM.name().into())]);
        assert_eq!(carrier.span_context.trace_id(), own.trace_id());
        assert_eq!(carrier.links.dropped_count, 0);
        assert_eq!(*carrier.scope(), B::scope());
        links.extend(linked_by(&carrier));
        count += carrier.links.len();
    }
    assert_eq!(count, COUNT, "no link is exported twice");
    links
}

fn linked_by(span: &FinishedSpan) -> HashSet<SpanId> {
    span.links.iter().map(|link| link.span_context.span_id()).collect()
}

#[track_caller]
fn assert_sampler_saw_all(sampler: &SeenBySampler, name: &str) {
    let seen = sampler.seen();
    let seen: Vec<_> = seen.iter().filter(|seen| seen.name == name).collect();
    let [seen] = seen[..] else { panic!("expected one sampled span {name}") };
    let links: HashSet<SpanId> =
        seen.links.iter().map(|link| link.span_context.span_id()).collect();
    assert_eq!((seen.links.len(), links.len()), (COUNT, COUNT), "{name}");
    assert!(seen.links.iter().all(|link| SpanContext::is_valid(&link.span_context)));
}
