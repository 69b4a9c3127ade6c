//! The rules by which links decide, one span at a time.

use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{Link, SpanContext, SpanKind, TraceContextExt, TraceState},
};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};
use otel_messaging_sampling::{Bound, LinkSampler, UnsampledLinks};

mod support;

use support::{link, root_span, span};

/// Low 63 bits of a trace id that `TraceIdRatioBased(0.5)` keeps.
const KEPT: u128 = 0x0af7_6519_16cd_43dd_0448_eb21_1c80_319c;
/// And of one that it drops.
const DROPPED: u128 = 0x0af7_6519_16cd_43dd_f448_eb21_1c80_319c;

fn half() -> Sampler {
    Sampler::TraceIdRatioBased(0.5)
}

fn samplers() -> [LinkSampler; 4] {
    [
        LinkSampler::sticky(half()),
        LinkSampler::any(half()),
        LinkSampler::all(half()),
        LinkSampler::fraction(half(), 0.5),
    ]
}

fn is_kept(sampler: LinkSampler, trace_id: u128, links: &[Link]) -> bool {
    root_span(&Sampler::parent_based(sampler), trace_id, links).is_sampled()
}

#[test]
fn without_links_the_root_is_asked_about_the_new_trace() {
    for sampler in samplers() {
        let sampler = Sampler::parent_based(sampler);
        for (trace_id, expected) in [(KEPT, true), (DROPPED, false)] {
            let span = root_span(&sampler, trace_id, &[]);
            assert_eq!(span.is_sampled(), expected);
            assert_eq!(*span.trace_state(), TraceState::NONE);
        }
    }
}

#[test]
fn links_that_are_invalid_or_local_do_not_count() {
    for is_sampled in [false, true] {
        let flags = TraceFlags::default().with_sampled(is_sampled);
        let context = |trace_id, span_id, is_remote| {
            let (trace_id, span_id) = (TraceId::from(trace_id), SpanId::from(span_id));
            Link::with_context(SpanContext::new(
                trace_id,
                span_id,
                flags,
                is_remote,
                TraceState::NONE,
            ))
        };
        let links = [context(0, 1, true), context(KEPT, 0, true), context(KEPT, 1, false)];
        for sampler in samplers() {
            assert!(is_kept(sampler.clone(), KEPT, &links));
            assert!(!is_kept(sampler, DROPPED, &links));
        }
    }
    // One that counts, after these.
    let links = [Link::with_context(SpanContext::NONE), link(KEPT, true, "")];
    for sampler in samplers() {
        assert!(is_kept(sampler, DROPPED, &links));
    }
}

#[test]
fn a_span_with_a_parent_follows_it() {
    let linked = [link(KEPT, true, ""), link(DROPPED, false, "")];
    for sampler in samplers() {
        for (is_remote, is_sampled) in [(true, true), (true, false), (false, true), (false, false)]
        {
            let state: TraceState = "otelmsg=0af7651916cd43dd8448eb211c80319c,a=1".parse().unwrap();
            let flags = TraceFlags::default().with_sampled(is_sampled);
            // A ratio would decide otherwise.
            let trace_id = TraceId::from(if is_sampled { DROPPED } else { KEPT });
            let span_id = SpanId::from(9);
            let parent = SpanContext::new(trace_id, span_id, flags, is_remote, state.clone());
            let parent = Context::new().with_remote_span_context(parent);
            let below: Box<dyn ShouldSample> = Sampler::parent_based(sampler.clone()).into();
            let alone: Box<dyn ShouldSample> = Into::into(sampler.clone());
            for sampler in [below, alone] {
                for links in [&linked[..], &[]] {
                    let span = span(&*sampler, &parent, trace_id, links);
                    assert_eq!(span.is_sampled(), is_sampled);
                    assert_eq!(*span.trace_state(), state);
                }
            }
        }
    }
}

#[test]
fn flags_decide_by_their_number() {
    let flags = |flags: &[bool]| -> Vec<Link> {
        flags.iter().map(|&is_sampled| link(KEPT, is_sampled, "")).collect()
    };
    // any, all, half
    for (links, expected) in [
        (flags(&[true]), [true, true, true]),
        (flags(&[false]), [false, false, false]),
        (flags(&[false, true]), [true, false, true]),
        (flags(&[false, false, true]), [true, false, false]),
        (flags(&[true, true, false]), [true, false, true]),
        (flags(&[true, true]), [true, true, true]),
        (flags(&[false, false]), [false, false, false]),
    ] {
        let [_, any, all, half] = samplers();
        for (sampler, expected) in [any, all, half].into_iter().zip(expected) {
            // The new trace's own id has no effect.
            for trace_id in [KEPT, DROPPED] {
                let actual = is_kept(sampler.clone(), trace_id, &links);
                assert_eq!(actual, expected, "{links:?} {sampler:?}");
            }
        }
    }
    // Out of range is as the nearest limit.
    assert!(is_kept(LinkSampler::fraction(half(), -1.0), DROPPED, &flags(&[false, true])));
    assert!(!is_kept(LinkSampler::fraction(half(), f64::NAN), KEPT, &flags(&[true])));
}

#[test]
fn unsampled_links_may_ask_the_root() {
    let links: Vec<_> = (1..=2_000_u128).map(|id| link(id << 64 | KEPT, false, "")).collect();
    let [_, any, all, half] = samplers();
    for sampler in [any, all, half] {
        let sampler = sampler.with_unsampled_links(UnsampledLinks::Root);
        let kept = |trace_id| {
            links.iter().map(move |link| (link, trace_id)).map(|(link, trace_id)| {
                is_kept(sampler.clone(), trace_id, std::slice::from_ref(link))
            })
        };
        let first: Vec<_> = kept(KEPT).collect();
        // Receive, process and settle spans of a message are in traces of their own.
        assert_eq!(first, kept(DROPPED).collect::<Vec<_>>());
        let share = first.iter().filter(|kept| **kept).count() as f64 / first.len() as f64;
        assert!((0.44..0.56).contains(&share), "{share} is not the root's rate");
    }
}

#[test]
fn a_bound_is_one_of_batches() {
    let sampler = LinkSampler::any_up_to(Bound::Share(0.1), half());
    let batch = |id, is_sampled| [link(id, false, ""), link(id, is_sampled, "")];
    let kept = |links: &[Link]| is_kept(sampler.clone(), DROPPED, links);
    // Single messages neither are bounded nor count. Links that do not count make no batch.
    for id in 1..=1_000_u128 {
        assert!(kept(&[link(id, true, "")]));
        assert!(kept(&[link(id, true, ""), Link::with_context(SpanContext::NONE)]));
    }
    let batches = (1..=1_000_u128).filter(|&id| {
        let is_kept = kept(&batch(id, true));
        assert_eq!(is_kept, kept(&batch(id, true)), "receive and process are decided alike");
        is_kept
    });
    let count = batches.count();
    assert!((99..=101).contains(&count), "{count}");
    // A batch that was refused is not for the root, and one without a sampled link is.
    let sampler = LinkSampler::any_up_to(Bound::Share(0.0), Sampler::AlwaysOn)
        .with_unsampled_links(UnsampledLinks::Root);
    let kept = |links: &[Link]| is_kept(sampler.clone(), DROPPED, links);
    assert!(kept(&batch(1, true)), "the first token is there from the start");
    assert!(!kept(&batch(2, true)));
    assert!(kept(&batch(3, false)));
}

#[test]
fn links_past_the_maximum_are_not_looked_at() {
    let links = [link(DROPPED, false, ""), link(KEPT, true, "")];
    for (count, expected) in [(0, true), (1, false), (2, true)] {
        // With no link to look at, the root is asked.
        assert_eq!(is_kept(LinkSampler::any(half()).with_max_links(count), KEPT, &links), expected);
    }
    let sticky = LinkSampler::sticky(half()).with_max_links(0);
    assert!(is_kept(sticky, KEPT, &links));
}

#[test]
fn sticky_asks_the_root_about_the_origin() {
    let sampler = Sampler::parent_based(LinkSampler::sticky(half()));
    let dropped = format!("otelmsg={DROPPED:032x}");
    let kept = format!("otelmsg={KEPT:032x}");
    for (links, expected) in [
        (vec![link(KEPT, false, "")], KEPT),
        (vec![link(DROPPED, true, "")], DROPPED),
        (vec![link(KEPT, true, &dropped)], DROPPED),
        (vec![link(DROPPED, false, &kept)], KEPT),
        // In a batch the first one, whatever the flags are.
        (vec![link(DROPPED, false, ""), link(KEPT, true, "")], DROPPED),
        (vec![link(KEPT, false, ""), link(DROPPED, true, "")], KEPT),
    ] {
        for trace_id in [KEPT, DROPPED] {
            let span = root_span(&sampler, trace_id, &links);
            assert_eq!(span.is_sampled(), expected == KEPT, "{links:?}");
            assert_eq!(span.trace_state().header(), format!("otelmsg={expected:032x}"));
        }
    }
}

#[test]
fn an_origin_that_is_no_trace_id_is_ignored() {
    let sampler = Sampler::parent_based(LinkSampler::sticky(half()));
    for entry in [
        String::new(),
        "0".repeat(32),
        "f".repeat(31),
        "f".repeat(33),
        "f".repeat(256),
        format!("{DROPPED:032X}"),
        format!("+{:031x}", DROPPED >> 4),
        format!("{:031x}g", DROPPED >> 4),
        format!(" {:031x}", DROPPED >> 4),
        format!("0x{:030x}", DROPPED >> 8),
        "é".repeat(16),
    ] {
        let state = TraceState::from_key_value([("otelmsg", &entry)]).unwrap();
        let flags = TraceFlags::default();
        let context = SpanContext::new(TraceId::from(KEPT), SpanId::from(1), flags, true, state);
        let span = root_span(&sampler, DROPPED, &[Link::with_context(context)]);
        assert!(span.is_sampled(), "{entry:?}");
        assert_eq!(span.trace_state().header(), format!("otelmsg={KEPT:032x}"));
    }
}

/// A root that puts entries of its own into the `tracestate`.
#[derive(Clone, Debug)]
struct Stateful(TraceState);

impl ShouldSample for Stateful {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let decision = SamplingDecision::RecordAndSample;
        let attributes = vec![KeyValue::new("sampled.by", "root")];
        SamplingResult { decision, attributes, trace_state: self.0.clone() }
    }
}

#[test]
fn entries_of_others_are_kept() {
    let links = [link(KEPT, true, "vendor=of the other trace")];
    let state = |count| {
        let entries = (0..count).map(|index| (format!("vendor{index}"), index));
        TraceState::from_key_value(entries).unwrap()
    };
    for (count, kept) in [(0, 0), (2, 2), (31, 31), (32, 31)] {
        let sampler = Sampler::parent_based(LinkSampler::sticky(Stateful(state(count))));
        let span = root_span(&sampler, KEPT, &links);
        let others = (0..kept).map(|index| format!("vendor{index}={index}"));
        let expected: Vec<_> = [format!("otelmsg={KEPT:032x}")].into_iter().chain(others).collect();
        assert_eq!(span.trace_state().header(), expected.join(","));
        // The next service reads it, wherever others have put it.
        let mut entries: Vec<_> = span.trace_state().into_iter().collect();
        entries.reverse();
        let reversed = TraceState::from_key_value(entries).unwrap();
        let (trace_id, flags) = (TraceId::from(DROPPED), TraceFlags::SAMPLED);
        let context = SpanContext::new(trace_id, SpanId::from(3), flags, true, reversed);
        let next = Sampler::parent_based(LinkSampler::sticky(half()));
        assert!(root_span(&next, DROPPED, &[Link::with_context(context)]).is_sampled());
    }
}

#[test]
fn the_result_of_the_root_is_passed_on() {
    let root = Stateful(TraceState::NONE);
    let sampler: Box<dyn ShouldSample> = Into::into(LinkSampler::sticky(root));
    for links in [vec![], vec![link(KEPT, false, "")]] {
        let id = TraceId::from(DROPPED);
        let result = sampler.should_sample(None, id, "x", &SpanKind::Internal, &[], &links);
        assert_eq!(result.attributes, [KeyValue::new("sampled.by", "root")]);
        assert_eq!(result.decision, SamplingDecision::RecordAndSample);
    }
}
