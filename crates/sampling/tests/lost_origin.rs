//! A `tracestate` that is lost is reported. In a file of its own, for the subscriber of the
//! process.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use opentelemetry_sdk::trace::{Sampler, ShouldSample};
use otel_messaging_sampling::LinkSampler;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

mod support;

use support::{Ids, link, root_span};

/// Counts the warnings.
#[derive(Clone, Default)]
struct Heard(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().name() == "Messaging.LinkedTraceOfAnotherSampler" {
            assert_eq!(*event.metadata().level(), tracing::Level::WARN);
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn root() -> Sampler {
    Sampler::TraceIdRatioBased(0.1)
}

/// Runs chains of three hops, and returns how many kept second hops have a third that was dropped,
/// and how many warnings there were.
fn broken(heard: &Heard, sampler: &dyn ShouldSample, seed: u64) -> (usize, usize) {
    let before = heard.0.load(Ordering::Relaxed);
    let ids = Ids::new(seed);
    let mut broken = 0;
    for _ in 0..5_000 {
        let span = |links: &[_]| {
            use opentelemetry_sdk::trace::IdGenerator;
            root_span(sampler, u128::from_be_bytes(ids.new_trace_id().to_bytes()), links)
        };
        let second = span(&[opentelemetry::trace::Link::with_context(span(&[]))]);
        let third = span(&[opentelemetry::trace::Link::with_context(second.clone())]);
        broken += usize::from(second.is_sampled() && !third.is_sampled());
    }
    (broken, heard.0.load(Ordering::Relaxed) - before)
}

#[test]
fn a_sampler_that_discards_the_origin_is_reported_once() {
    let heard = Heard::default();
    let subscriber = tracing_subscriber::registry().with(heard.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();

    // As documented: nothing is broken and nothing is logged.
    let sampler = Sampler::parent_based(LinkSampler::sticky(root()));
    assert_eq!(broken(&heard, &sampler, 1), (0, 0));
    let sampler: Box<dyn ShouldSample> = Into::into(LinkSampler::sticky(root()));
    assert_eq!(broken(&heard, &*sampler, 2), (0, 0));

    // What the compiler lets pass.
    let by_trait = Sampler::ParentBased(Into::into(LinkSampler::sticky(root())));
    let nested = Sampler::parent_based(LinkSampler::sticky(root()));
    let nested = Sampler::ParentBased(Box::new(nested));
    for (sampler, seed) in [(by_trait, 3), (nested, 4)] {
        let (broken, warnings) = broken(&heard, &sampler, seed);
        assert!(broken > 300, "{broken} chains are broken");
        assert_eq!(warnings, 1, "clones share what they have reported");
    }

    // The first link that proves it is reported, also if it is the first of all.
    let sampler = Sampler::parent_based(LinkSampler::sticky(root()));
    let warnings = heard.0.load(Ordering::Relaxed);
    root_span(&sampler, 1, &[link(u128::MAX, true, "")]);
    assert_eq!(heard.0.load(Ordering::Relaxed) - warnings, 1);
    // No contradiction: an unsampled link, one that tells its origin, one that is kept.
    let sampler = Sampler::parent_based(LinkSampler::sticky(root()));
    let warnings = heard.0.load(Ordering::Relaxed);
    let origin = "otelmsg=ffffffffffffffffffffffffffffffff";
    for link in [link(u128::MAX, false, ""), link(7, true, origin), link(7, true, "")] {
        root_span(&sampler, 1, &[link]);
    }
    assert_eq!(heard.0.load(Ordering::Relaxed) - warnings, 0);
}
