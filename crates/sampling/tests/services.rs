//! Services with different samplers of the SDK, whose spans meet through the headers of messages.

use std::collections::HashMap;

use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    propagation::TextMapPropagator,
    trace::{
        Link, Span, SpanBuilder, SpanContext, SpanKind, TraceContextExt, TraceState, Tracer,
        TracerProvider,
    },
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{IdGenerator, Sampler, SdkTracer, SdkTracerProvider, ShouldSample},
};
use otel_messaging_sampling::LinkSampler;

mod support;

use support::{Ids, Share};

const CHAINS: usize = 10_000;

/// What a message carries.
type Headers = HashMap<String, String>;

/// A service with a provider of its own.
struct Service(SdkTracer);

impl Service {
    fn new(seed: u64, sampler: impl Into<Box<dyn ShouldSample>>) -> Self {
        let provider =
            SdkTracerProvider::builder().with_sampler(sampler).with_id_generator(Ids::new(seed));
        Self(provider.build().tracer("service"))
    }

    /// Processes a message, or a request without one, and sends a message in a child span. Returns
    /// whether both were sampled.
    fn handle(&self, message: Option<&Headers>) -> (bool, Headers) {
        let propagator = TraceContextPropagator::new();
        let link = message.map(|headers| {
            let context = propagator.extract_with_context(&Context::new(), headers);
            Link::with_context(context.span().span_context().clone())
        });
        let process = SpanBuilder::from_name("process").with_kind(SpanKind::Consumer);
        let process = process.with_links(link.into_iter().collect());
        let process = self.0.build_with_context(process, &Context::new());
        let is_sampled = process.span_context().is_sampled();
        let process = Context::new().with_span(process);
        let send = self.0.start_with_context("send", &process);
        assert_eq!(send.span_context().is_sampled(), is_sampled);
        let mut headers = Headers::new();
        propagator.inject_context(&process.with_span(send), &mut headers);
        (is_sampled, headers)
    }
}

/// The samplers of three services in a chain, and which of them kept each of its messages.
fn chains(services: &[Service; 3]) -> Vec<[bool; 3]> {
    let chain = |_| {
        let (first, message) = services[0].handle(None);
        let (second, message) = services[1].handle(Some(&message));
        let (third, _) = services[2].handle(Some(&message));
        [first, second, third]
    };
    (0..CHAINS).map(chain).collect()
}

fn sticky(rate: f64) -> Box<dyn ShouldSample> {
    Sampler::parent_based(LinkSampler::sticky(Sampler::TraceIdRatioBased(rate))).into()
}

fn ratio(rate: f64) -> Box<dyn ShouldSample> {
    Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(rate))).into()
}

#[track_caller]
fn assert_share(count: usize, of: usize, expected: f64) {
    Share { count, of }.assert(expected, of, "the share");
}

#[track_caller]
fn assert_rates(chains: &[[bool; 3]], rates: [f64; 3]) {
    for (hop, rate) in rates.into_iter().enumerate() {
        let kept = chains.iter().filter(|kept| kept[hop]).count();
        assert_share(kept, chains.len(), rate);
    }
}

#[test]
fn one_rate_everywhere_keeps_whole_chains() {
    for (seed, rate) in [(1, 0.01), (10, 0.2), (20, 0.9)] {
        let services = [0, 1, 2].map(|hop| Service::new(seed + hop, sticky(rate)));
        let chains = chains(&services);
        assert_rates(&chains, [rate; 3]);
        assert!(chains.iter().all(|kept| [[true; 3], [false; 3]].contains(kept)));
    }
}

#[test]
fn producers_may_have_a_stock_ratio_sampler() {
    let stock = [ratio(0.1), Sampler::TraceIdRatioBased(0.1).into()];
    for (seed, first) in [30, 40].into_iter().zip(stock) {
        let services = [
            Service::new(seed, first),
            Service::new(seed + 1, sticky(0.1)),
            Service::new(seed + 2, sticky(0.1)),
        ];
        assert!(chains(&services).iter().all(|kept| [[true; 3], [false; 3]].contains(kept)));
    }
}

#[test]
fn a_stock_sampler_in_the_middle_begins_a_new_chain() {
    let services = [
        Service::new(50, sticky(0.1)),
        Service::new(51, ratio(0.1)),
        Service::new(52, sticky(0.1)),
    ];
    let chains = chains(&services);
    assert_rates(&chains, [0.1; 3]);
    assert!(chains.iter().all(|[_, second, third]| second == third));
    let first: Vec<_> = chains.iter().filter(|kept| kept[0]).collect();
    assert_share(first.iter().filter(|kept| kept[1]).count(), first.len(), 0.1);
}

#[test]
fn rates_that_fall_along_the_chain_leave_no_link_without_its_span() {
    let services = [(60, 0.5), (61, 0.1), (62, 0.02)];
    let chains = chains(&services.map(|(seed, rate)| Service::new(seed, sticky(rate))));
    assert_rates(&chains, [0.5, 0.1, 0.02]);
    assert!(chains.iter().all(|[first, second, third]| first >= second && second >= third));
}

#[test]
fn rates_that_rise_along_the_chain_leave_such_links_and_follow_every_message() {
    let services = [(70, 0.02), (71, 0.1), (72, 0.5)];
    let chains = chains(&services.map(|(seed, rate)| Service::new(seed, sticky(rate))));
    assert_rates(&chains, [0.02, 0.1, 0.5]);
    assert!(chains.iter().all(|[first, second, third]| first <= second && second <= third));
}

#[test]
fn producers_that_keep_all_or_nothing_do_not_change_the_rate() {
    for (seed, first) in [(80, Sampler::AlwaysOn), (90, Sampler::AlwaysOff)] {
        let services = [
            Service::new(seed, first),
            Service::new(seed + 1, sticky(0.1)),
            Service::new(seed + 2, sticky(0.1)),
        ];
        let chains = chains(&services);
        let kept = chains.iter().filter(|kept| kept[1]).count();
        assert_share(kept, chains.len(), 0.1);
        assert!(chains.iter().all(|[_, second, third]| second == third));
    }
    // `any` follows them.
    let any = || Sampler::parent_based(LinkSampler::any(Sampler::TraceIdRatioBased(0.1)));
    for (seed, first, expected) in
        [(100, Sampler::AlwaysOn, true), (110, Sampler::AlwaysOff, false)]
    {
        let services = [
            Service::new(seed, first),
            Service::new(seed + 1, any()),
            Service::new(seed + 2, any()),
        ];
        assert!(chains(&services).iter().all(|kept| *kept == [expected; 3]));
    }
}

/// Messages of someone who writes headers by hand: ids at random unless given, and the sampled
/// flag.
fn forged(ids: &Ids, trace_id: Option<TraceId>, tracestate: Option<&str>) -> Headers {
    let (trace_id, span_id) = (trace_id.unwrap_or_else(|| ids.new_trace_id()), ids.new_span_id());
    let traceparent = format!("00-{trace_id}-{span_id}-01");
    let state = tracestate.map(|state| ("tracestate".to_owned(), state.to_owned()));
    [("traceparent".to_owned(), traceparent)].into_iter().chain(state).collect()
}

#[test]
fn a_forged_flag_forces_nothing_with_sticky() {
    let (ids, service) = (Ids::new(120), Service::new(121, sticky(0.01)));
    let kept = |service: &Service, state: Option<&str>| {
        (0..CHAINS).filter(|_| service.handle(Some(&forged(&ids, None, state))).0).count()
    };
    assert_share(kept(&service, None), CHAINS, 0.01);
    // Nor does an entry that is no trace id.
    for state in ["otelmsg=1", "otelmsg=00000000000000000000000000000000", "otelmsg=", "="] {
        assert_share(kept(&service, Some(state)), CHAINS, 0.01);
    }
    let any = Sampler::parent_based(LinkSampler::any(Sampler::TraceIdRatioBased(0.01)));
    assert_eq!(kept(&Service::new(122, any), None), CHAINS, "`any` believes the flag");
}

#[test]
fn a_chosen_id_forces_a_decision() {
    let (ids, service) = (Ids::new(130), Service::new(131, sticky(0.01)));
    let (kept, dropped) = (TraceId::from(1 << 64), TraceId::from(u128::MAX));
    for (trace_id, expected) in [(kept, true), (dropped, false)] {
        for _ in 0..100 {
            assert_eq!(service.handle(Some(&forged(&ids, Some(trace_id), None))).0, expected);
            let state = format!("otelmsg={trace_id}");
            assert_eq!(service.handle(Some(&forged(&ids, None, Some(&state)))).0, expected);
        }
    }
}

#[test]
fn a_remote_parent_is_followed_and_its_tracestate_kept() {
    let Service(tracer) = Service::new(140, sticky(0.01));
    let state: TraceState = "a=1,otelmsg=0af7651916cd43dd8448eb211c80319c".parse().unwrap();
    for flags in [TraceFlags::SAMPLED, TraceFlags::NOT_SAMPLED] {
        let (trace_id, span_id) = (TraceId::from(7), SpanId::from(7));
        let parent = SpanContext::new(trace_id, span_id, flags, true, state.clone());
        let parent = Context::new().with_remote_span_context(parent);
        let span = tracer.start_with_context("process", &parent);
        assert_eq!(span.span_context().trace_flags(), flags);
        assert_eq!(*span.span_context().trace_state(), state);
    }
}
