use std::sync::{Arc, Mutex};

use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    context::FutureExt as _,
    trace::{Link, SpanKind, TraceId},
};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};
use otel_messaging_core::AsReceived as _;

use super::{
    Broker,
    scene::{Scene, foreign, order, with_baggage},
};
use crate::telemetry::Telemetry;

/// A process span starts in a context that has the message's baggage, or the ambient baggage if the
/// message has none.
pub async fn r29_a_process_span_starts_with_the_baggage<B: Broker>() {
    let sampler = BaggageSampler::default();
    let telemetry = Telemetry::builder().with_sampler(sampler.clone());
    let scene = Scene::<B>::on(telemetry, |builder| builder).await;
    let ambient = with_baggage(&Context::new(), "tenant", "ambient");
    for (baggage, expected) in [(Some("tenant=south"), "south"), (None, "ambient")] {
        let baggage = baggage.map(|baggage| ("baggage", baggage.to_owned()));
        let headers = [("traceparent", foreign(1))].into_iter().chain(baggage);
        let message = scene.receive_foreign(order().with_headers(headers)).await;
        sampler.clear();
        message.as_received().process(async {}).with_context(ambient.clone()).await;
        assert_eq!(sampler.seen(), [Some(expected.to_owned())]);
    }
}

/// A sampler that records the member `tenant` of the baggage in each span's parent context.
#[derive(Clone, Debug, Default)]
struct BaggageSampler(Arc<Mutex<Vec<Option<String>>>>);

impl BaggageSampler {
    fn seen(&self) -> Vec<Option<String>> {
        self.0.lock().expect("no lock is poisoned").clone()
    }

    fn clear(&self) {
        self.0.lock().expect("no lock is poisoned").clear();
    }
}

impl ShouldSample for BaggageSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let tenant = parent.and_then(|parent| parent.baggage().get("tenant"));
        let tenant = tenant.map(ToString::to_string);
        self.0.lock().expect("no lock is poisoned").push(tenant);
        SamplingResult {
            decision: SamplingDecision::RecordAndSample,
            attributes: Vec::new(),
            trace_state: opentelemetry::trace::TraceState::NONE,
        }
    }
}
