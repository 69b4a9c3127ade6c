//! What each sampler keeps of chains with three hops, at 1 %: the table in the documentation.
//!
//! A producer sends; a consumer takes its messages, alone or in batches, and sends one message for
//! each batch; another consumer takes these in the same way. Ids come from a seed, so figures do
//! not vary.

use std::{fs, ops::Range};

use opentelemetry::{Context, SpanId, TraceId, trace::Link};
use opentelemetry_sdk::trace::{IdGenerator, Sampler, ShouldSample};
use otel_messaging_sampling::LinkSampler;

mod support;

use support::{Ids, Share};

const RATE: f64 = 0.01;
/// The number of spans of each hop.
const SPANS: usize = 60_000;
const SIZES: [usize; 5] = [1, 10, 100, 500, 10_000];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    RootOnly,
    Any,
    Sticky,
}

const KINDS: [Kind; 3] = [Kind::RootOnly, Kind::Any, Kind::Sticky];

impl Kind {
    fn sampler(self, rate: f64) -> Box<dyn ShouldSample> {
        let root = Sampler::TraceIdRatioBased(rate);
        match self {
            Self::RootOnly => Sampler::parent_based(root).into(),
            Self::Any => Sampler::parent_based(LinkSampler::any(root)).into(),
            Self::Sticky => Sampler::parent_based(LinkSampler::sticky(root)).into(),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::RootOnly => "root only",
            Self::Any => "any",
            Self::Sticky => "sticky",
        }
    }
}

/// The spans of one hop.
struct Hop {
    /// As links of the next hop.
    links: Vec<Link>,
    /// Which spans of the hop before each span links to.
    linked: Vec<Range<usize>>,
    kept: Counts,
    /// Those that are kept, and from which kept spans lead back to the first hop.
    whole: Counts,
}

/// How many spans before each have a property.
struct Counts(Vec<usize>);

impl Counts {
    fn of(properties: impl Iterator<Item = bool>) -> Self {
        let running = properties.scan(0, |count, property| {
            *count += usize::from(property);
            Some(*count)
        });
        Self([0].into_iter().chain(running).collect())
    }

    fn within(&self, range: &Range<usize>) -> usize {
        self.0[range.end] - self.0[range.start]
    }

    fn at(&self, index: usize) -> bool {
        self.within(&(index..index + 1)) > 0
    }

    fn all(&self) -> usize {
        self.0[self.0.len() - 1]
    }
}

impl Hop {
    fn kept(&self) -> Share {
        Share { count: self.kept.all(), of: SPANS }
    }

    /// Returns how many of the kept spans have a link to a span of the hop before with the property.
    fn leading_to(&self, property: &Counts) -> Share {
        let kept = self.linked.iter().enumerate().filter(|&(index, _)| self.kept.at(index));
        let leading = kept.filter(|(_, linked)| property.within(linked) > 0).count();
        Share { count: leading, of: self.kept.all() }
    }

    /// Returns how many of the links to kept spans of the hop before are on a kept span.
    fn followed(&self, before: &Self) -> Share {
        let links_to_kept = |linked: &Range<usize>| before.kept.within(linked);
        let on_kept = self.linked.iter().enumerate().filter(|&(index, _)| self.kept.at(index));
        let count = on_kept.map(|(_, linked)| links_to_kept(linked)).sum();
        Share { count, of: self.linked.iter().map(links_to_kept).sum() }
    }
}

/// Makes the spans of a hop, each with `size` links to spans of the hop before.
fn hop(sampler: &dyn ShouldSample, ids: &Ids, before: Option<&Hop>, size: usize) -> Hop {
    let mut hop = Hop {
        links: Vec::with_capacity(SPANS),
        linked: Vec::with_capacity(SPANS),
        kept: Counts(Vec::new()),
        whole: Counts(Vec::new()),
    };
    let mut kept = Vec::with_capacity(SPANS);
    for _ in 0..SPANS {
        let start = if before.is_some() { ids.below(SPANS - size) } else { 0 };
        let linked = start..start + before.map_or(0, |_| size);
        let links = before.map_or(&[] as &[Link], |before| &before.links[linked.clone()]);
        let trace_id = ids.new_trace_id();
        let span = support::span(sampler, &Context::new(), trace_id, links);
        kept.push(span.is_sampled());
        hop.links.push(Link::with_context(span));
        hop.linked.push(linked);
    }
    hop.kept = Counts::of(kept.iter().copied());
    let is_whole = |linked: &Range<usize>| before.is_none_or(|it| it.whole.within(linked) > 0);
    hop.whole = Counts::of(kept.iter().zip(&hop.linked).map(|(kept, it)| *kept && is_whole(it)));
    hop
}

fn chain(kind: Kind, rate: f64, size: usize, seed: u64) -> [Hop; 3] {
    let (sampler, ids) = (kind.sampler(rate), Ids::new(seed));
    let first = hop(&*sampler, &ids, None, size);
    let second = hop(&*sampler, &ids, Some(&first), size);
    let third = hop(&*sampler, &ids, Some(&second), size);
    [first, second, third]
}

/// The share of windows of `size` neighbours of which at least one was kept: what the next hop's
/// links are drawn from.
fn windows_with_kept(hop: &Hop, size: usize) -> f64 {
    let windows = SPANS - size;
    let with_kept = (0..windows).filter(|&start| hop.kept.within(&(start..start + size)) > 0);
    with_kept.count() as f64 / windows as f64
}

#[track_caller]
fn assert_figures(kind: Kind, rate: f64, size: usize, seed: u64) {
    let [first, second, third] = chain(kind, rate, size, seed);
    let what = format!("{kind:?} at {rate}, {size} a batch, seed {seed}");
    first.kept().assert(rate, SPANS, &what);
    for (before, hop) in [(&first, &second), (&second, &third)] {
        let resolving = hop.leading_to(&before.kept);
        match kind {
            Kind::RootOnly => {
                hop.kept().assert(rate, SPANS, &what);
                resolving.assert(windows_with_kept(before, size), resolving.of, &what);
            }
            Kind::Any => {
                hop.kept().assert(windows_with_kept(before, size), SPANS, &what);
                resolving.assert_all(&what);
                hop.followed(before).assert_all(&what);
            }
            Kind::Sticky => {
                // Links are drawn from the hop before: its rate is what the next one can have.
                hop.kept().assert(before.kept().value(), SPANS, &what);
                resolving.assert_all(&what);
            }
        }
    }
    if kind != Kind::RootOnly {
        third.leading_to(&second.whole).assert_all(&what);
    }
    if kind == Kind::Sticky && size == 1 {
        third.followed(&second).assert_all(&what);
    }
}

#[test]
fn figures_hold_for_each_sampler_and_batch_size() {
    for kind in KINDS {
        for size in SIZES {
            assert_figures(kind, RATE, size, 1);
        }
    }
}

#[test]
fn figures_hold_for_other_rates_and_seeds() {
    for (seed, rate) in [(2, 0.003), (3, 0.1), (4, 0.5)] {
        for kind in KINDS {
            for size in [1, 50] {
                assert_figures(kind, rate, size, seed);
            }
        }
    }
}

/// The rates that the documentation gives for `any`, from theory.
#[test]
fn any_keeps_most_batches() {
    for (size, seed) in [(10, 5), (100, 6), (500, 7)] {
        let [_, second, _] = chain(Kind::Any, RATE, size, seed);
        let expected = 1.0 - (1.0 - RATE).powf(size as f64);
        // As batches overlap, fewer of them are independent.
        second.kept().assert(expected, SPANS / size, &format!("{size} a batch"));
    }
}

fn table() -> String {
    let mut rows = vec![
        "| batch | sampler | producers kept | consumers kept | next consumers kept \
         | a link leads to a span | chain is whole | kept messages followed |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    for size in SIZES {
        for kind in KINDS {
            let [first, second, third] = chain(kind, RATE, size, 1);
            let cells = [
                first.kept(),
                second.kept(),
                third.kept(),
                third.leading_to(&second.kept),
                third.leading_to(&second.whole),
                second.followed(&first),
            ];
            let cells = cells.map(|share| format!("{:.1} %", share.value() * 100.0)).join(" | ");
            rows.push(format!("| {size} | {} | {cells} |", kind.name()));
        }
    }
    rows.join("\n")
}

#[test]
fn the_table_in_the_documentation_is_what_comes_out() {
    let table = table();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../otel-messaging/docs/sampling.md");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains(&table), "the page should have this table:\n\n{table}");
}

/// A trace id is only as good as its generator: this one's has to be uniform in all bits.
#[test]
fn ids_are_uniform() {
    let ids = Ids::new(8);
    let mut ones = [0_usize; 128];
    for _ in 0..SPANS {
        let id = u128::from_be_bytes(ids.new_trace_id().to_bytes());
        for (bit, ones) in ones.iter_mut().enumerate() {
            *ones += usize::from(id >> bit & 1 == 1);
        }
        assert_ne!(ids.new_span_id(), SpanId::INVALID);
        assert_ne!(TraceId::from(id), TraceId::INVALID);
    }
    for ones in ones {
        Share { count: ones, of: SPANS }.assert(0.5, SPANS, "ones");
    }
}
