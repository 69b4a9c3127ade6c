//! Expected and finished spans with who refers to whom, and which are alike.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use opentelemetry::{
    InstrumentationScope, SpanId, TraceId,
    trace::{Event, Link, SpanContext},
};

use super::{ExpectedLink, ExpectedSpan, Target, search::Search};
use crate::{
    attributes::Attributes,
    matching::{pair, unpaired},
    telemetry::{APPLICATION, FinishedSpan},
};

/// Expected and finished spans with who refers to whom.
pub(super) struct Graph<'a> {
    pub(super) expected: &'a [ExpectedSpan],
    pub(super) found: &'a [FinishedSpan],
    scope: Option<&'a InstrumentationScope>,
    labels: HashMap<&'a str, usize>,
    ids: HashMap<(TraceId, SpanId), usize>,
    /// For every expected span those whose parent or links refer to it.
    pub(super) referring: Vec<Vec<usize>>,
    /// For every link of every expected span the expected span that it refers to, if any.
    pub(super) targets: Vec<Vec<Option<usize>>>,
    /// For every link of every finished span the finished span that it refers to, if any.
    pub(super) linked: Vec<Vec<Option<usize>>>,
}

impl<'a> Graph<'a> {
    #[track_caller]
    pub(super) fn new(
        expected: &'a [ExpectedSpan],
        found: &'a [FinishedSpan],
        scope: Option<&'a InstrumentationScope>,
    ) -> Self {
        let mut labels = HashMap::new();
        for (at, span) in expected.iter().enumerate() {
            let Some(label) = span.label.as_deref() else { continue };
            let other = labels.insert(label, at);
            assert!(other.is_none(), "two expected spans are labelled {label:?}");
        }
        let ids = found
            .iter()
            .enumerate()
            .map(|(at, span)| ((span.span_context.trace_id(), span.span_context.span_id()), at));
        let ids = ids.collect();
        let referring = vec![Vec::new(); expected.len()];
        let (targets, linked) = (Vec::new(), Vec::new());
        let mut graph = Self { expected, found, scope, labels, ids, referring, targets, linked };
        graph.connect();
        graph
    }

    #[track_caller]
    fn connect(&mut self) {
        for (at, span) in self.expected.iter().enumerate() {
            let links = span.links.iter().map(|link| &link.target);
            for target in span.parent.iter().chain(links.clone()) {
                if let Target::Label { label, .. } = target {
                    let to = self.labelled(target);
                    let to = to.unwrap_or_else(|| panic!("no expected span is labelled {label:?}"));
                    self.referring[to].push(at);
                }
            }
            self.targets.push(links.map(|target| self.labelled(target)).collect());
        }
        self.referring.iter_mut().for_each(Vec::dedup);
        for span in self.found {
            let links = span.links.iter().map(|link| self.finished(&link.span_context));
            self.linked.push(links.collect());
        }
    }

    /// For every expected span the finished one that stands for it or is nearest to it, if any.
    pub(super) fn pair(&self) -> Vec<Option<usize>> {
        let alike = self.alike();
        let local = pair(self.expected.len(), self.found.len(), |at, to| {
            alike[at].binary_search(&to).is_ok()
        });
        let complete = self.expected.len() == self.found.len() && local.iter().all(Option::is_some);
        if complete && let Some(pairs) = Search::new(self, alike.clone(), true).run() {
            return pairs;
        }
        self.pair_nearest(alike, &local)
    }

    /// The expected span that a target names, if it is one.
    pub(super) fn labelled(&self, target: &Target) -> Option<usize> {
        match target {
            Target::Label { label, .. } => self.labels.get(&**label).copied(),
            Target::Context(_) => None,
        }
    }

    /// The finished span with this context, if there is one.
    pub(super) fn finished(&self, context: &SpanContext) -> Option<usize> {
        self.ids.get(&(context.trace_id(), context.span_id())).copied()
    }

    /// The scope that an expected span must come from, given the one it came from.
    pub(super) fn expected_scope(
        &self,
        expected: &'a ExpectedSpan,
        found: &'a FinishedSpan,
    ) -> Option<&'a InstrumentationScope> {
        expected.scope.as_ref().or(self.scope.filter(|_| found.scope().name() != APPLICATION))
    }

    /// For every expected span the finished ones that equal it in all but what labels stand for.
    fn alike(&self) -> Vec<Vec<usize>> {
        let mut named: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, span) in self.found.iter().enumerate() {
            named.entry(&span.name).or_default().push(at);
        }
        // A thousand expected spans may well be one, a thousand times.
        let mut known: HashMap<String, Vec<usize>> = HashMap::new();
        let alike = |expected: &'a ExpectedSpan| {
            let candidates = named.get(&*expected.name).into_iter().flatten().copied();
            let alike = || candidates.filter(|&to| self.is_alike(expected, to)).collect();
            known.entry(expected.without_labels()).or_insert_with(alike).clone()
        };
        self.expected.iter().map(alike).collect()
    }

    fn is_alike(&self, expected: &'a ExpectedSpan, to: usize) -> bool {
        let found = &self.found[to];
        expected.kind == found.span_kind
            && expected.status == found.status
            && expected.attributes.match_all(&found.attributes)
            && expected.links.len() == found.links.len()
            && expected.dropped_links == found.links.dropped_count
            && expected.events.len() == found.events.len()
            && self.expected_scope(expected, found).is_none_or(|scope| scope == found.scope())
            && self.parent_may_fit(expected, found)
            && pair(expected.links.len(), found.links.len(), |at, link| {
                (!expected.links_in_order || at == link)
                    && self.link_may_fit(&expected.links[at], to, link)
            })
            .iter()
            .chain(&pair_events(&expected.events, &found.events))
            .all(Option::is_some)
    }

    fn parent_may_fit(&self, expected: &ExpectedSpan, found: &FinishedSpan) -> bool {
        match (&expected.parent, parent(found)) {
            (None, None) => true,
            (Some(target), Some(parent)) => {
                may_be(target, &parent, self.finished(&parent).is_some())
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// Whether a link of a finished span is as expected, whichever span a label stands for.
    pub(super) fn link_may_fit(&self, expected: &ExpectedLink, found: usize, link: usize) -> bool {
        let Link { span_context, attributes, .. } = &self.found[found].links[link];
        may_be(&expected.target, span_context, self.linked[found][link].is_some())
            && expected.attributes.match_all(attributes)
    }

    /// Whether a finished span refers to another as the expected ones they stand for do.
    pub(super) fn refers(
        &self,
        expected: usize,
        found: usize,
        to_expected: usize,
        to_found: usize,
    ) -> bool {
        let (span, targets) = (&self.expected[expected], &self.targets[expected]);
        let parent_fits = || {
            let parent = parent(&self.found[found]);
            parent.and_then(|parent| self.finished(&parent)) == Some(to_found)
        };
        let link_fits = |link: &ExpectedLink| {
            let linked = self.linked[found].iter().enumerate();
            let mut linked = linked.filter(|(_, linked)| **linked == Some(to_found));
            linked.any(|(other, _)| self.link_may_fit(link, found, other))
        };
        let is_parent = |target| self.labelled(target) == Some(to_expected);
        let links = span.links.iter().zip(targets);
        (!span.parent.as_ref().is_some_and(is_parent) || parent_fits())
            && links
                .filter(|(_, target)| **target == Some(to_expected))
                .all(|(link, _)| link_fits(link))
    }

    /// The pairs of a comparison that fails: who is alike stays together, following parents and
    /// links as far as they go, and the others get who is nearest.
    fn pair_nearest(
        &self,
        mut alike: Vec<Vec<usize>>,
        local: &[Option<usize>],
    ) -> Vec<Option<usize>> {
        for (at, to) in self.nearest(local) {
            alike[at] = vec![to];
        }
        let mut pairs = Search::new(self, alike, false)
            .run()
            .unwrap_or_else(|| unreachable!("only a strict search can fail"));
        for (at, to) in self.nearest(&pairs) {
            pairs[at] = Some(to);
        }
        pairs
    }

    /// Who is nearest among those without a partner, as long as they have much in common.
    fn nearest(&self, pairs: &[Option<usize>]) -> Vec<(usize, usize)> {
        let free = unpaired(pairs, self.found.len());
        let mut distances = Vec::new();
        for at in (0..pairs.len()).filter(|&at| pairs[at].is_none()) {
            for &to in &free {
                distances.push((self.distance(at, to), at, to));
            }
        }
        distances.sort_unstable();
        let (mut used, mut partner) = (BTreeSet::new(), BTreeSet::new());
        let mut nearest = Vec::new();
        for (distance, at, to) in distances {
            let renamed = self.expected[at].name != self.found[to].name;
            // Another name and more: two different spans rather than one with differences.
            let too_far = renamed && distance > 2;
            if !too_far && !used.contains(&to) && partner.insert(at) {
                used.insert(to);
                nearest.push((at, to));
            }
        }
        nearest
    }

    fn distance(&self, at: usize, to: usize) -> usize {
        let (expected, found) = (&self.expected[at], &self.found[to]);
        2 * usize::from(expected.name != found.name)
            + usize::from(expected.kind != found.span_kind)
            + usize::from(expected.status != found.status)
            + usize::from(!self.parent_may_fit(expected, found))
            + expected.attributes.distance(&found.attributes)
            + expected.links.len().abs_diff(found.links.len())
            + expected.events.len().abs_diff(found.events.len())
    }
}

/// Whether a context is what a target says, whichever span a label stands for.
fn may_be(target: &Target, found: &SpanContext, is_finished: bool) -> bool {
    match target {
        Target::Label { is_remote, .. } => is_finished && *is_remote == found.is_remote(),
        Target::Context(context) => {
            context.span_id() == found.span_id()
                && context.trace_id() == found.trace_id()
                && context.is_remote() == found.is_remote()
        }
    }
}

/// For every expected event the one that equals it, if any.
pub(super) fn pair_events(
    expected: &[(Cow<'static, str>, Attributes)],
    found: &[Event],
) -> Vec<Option<usize>> {
    pair(expected.len(), found.len(), |at, to| {
        let ((name, attributes), found) = (&expected[at], &found[to]);
        *name == found.name
            && found.dropped_attributes_count == 0
            && attributes.match_all(&found.attributes)
    })
}

/// The context of a span's parent, as far as an exporter is told about it.
pub(super) fn parent(found: &FinishedSpan) -> Option<SpanContext> {
    (found.parent_span_id != SpanId::INVALID).then(|| {
        SpanContext::new(
            found.span_context.trace_id(),
            found.parent_span_id,
            found.span_context.trace_flags(),
            found.parent_span_is_remote,
            found.span_context.trace_state().clone(),
        )
    })
}
