use std::{cmp::Reverse, collections::HashMap, iter};

use opentelemetry_proto::tonic::trace::v1::span::Link;

use crate::{
    checks,
    problem::Problem,
    spans::{Id, Span, Spans, id},
};

/// Spans, joined to trees by their parents and to each other by their links. A span is named by its
/// index.
#[derive(Debug)]
pub struct Traces {
    /// Every span, in the order in which it was added.
    pub spans: Vec<Span>,
    /// The spans that are shown without a parent.
    pub roots: Vec<usize>,
    /// What is wrong with the input and with the spans.
    pub problems: Vec<Problem>,
    parents: Vec<Option<usize>>,
    children: Vec<Vec<usize>>,
    by_id: HashMap<Id, usize>,
}

impl Traces {
    /// Joins spans to their parents, and looks for what cannot be right. A span whose parent is not
    /// there, or is below the span itself, has no parent.
    pub fn new(spans: Spans) -> Self {
        let (spans, by_id, problems) = spans.finish();
        let parent = |it: &Span| by_id.get(&id(&it.otlp.trace_id, &it.otlp.parent_span_id)?);
        let mut parents: Vec<Option<usize>> = spans.iter().map(|it| parent(it).copied()).collect();
        let cut = cut_cycles(&mut parents);
        let (mut children, mut roots) = (vec![Vec::new(); spans.len()], Vec::new());
        for (index, parent) in parents.iter().enumerate() {
            match *parent {
                Some(parent) => children[parent].push(index),
                None => roots.push(index),
            }
        }
        let mut traces = Self { spans, roots, problems, parents, children, by_id };
        let found = checks::all(&traces, &cut);
        traces.problems.extend(found);
        traces
    }

    /// Returns the span's parent.
    pub fn parent(&self, index: usize) -> Option<usize> {
        self.parents[index]
    }

    /// Returns the span's children.
    pub fn children(&self, index: usize) -> &[usize] {
        &self.children[index]
    }

    /// Tells whether the span names a parent that is not there.
    pub fn is_orphan(&self, index: usize) -> bool {
        let span = &self.spans[index].otlp;
        let parent = id(&span.trace_id, &span.parent_span_id);
        parent.is_some_and(|parent| !self.by_id.contains_key(&parent))
    }

    /// Returns the span that a link leads to, if it is there.
    pub fn target(&self, link: &Link) -> Option<usize> {
        self.by_id.get(&id(&link.trace_id, &link.span_id)?).copied()
    }

    /// Returns the links of an operation: those on its span, then those on its children called
    /// `links`, which hold what is beyond the SDK's limit.
    pub fn links(&self, index: usize) -> impl Iterator<Item = &Link> {
        let overflow = self.children(index).iter().copied();
        let overflow = overflow.filter(|&it| self.spans[it].is_overflow());
        iter::once(index).chain(overflow).flat_map(|it| &self.spans[it].otlp.links)
    }

    /// Returns the order in which spans are shown: traces by their start, then roots by theirs, each span
    /// before its children.
    pub(crate) fn order(&self) -> Vec<usize> {
        let span = |it: usize| &self.spans[it].otlp;
        let mut starts = HashMap::<&[u8], u64>::new();
        for &root in &self.roots {
            let start = starts.entry(&span(root).trace_id).or_insert(u64::MAX);
            *start = span(root).start_time_unix_nano.min(*start);
        }
        let mut waiting = self.roots.clone();
        // The last one is shown next.
        waiting.sort_by_cached_key(|&root| {
            let it = span(root);
            let key = (starts[&*it.trace_id], it.trace_id.clone(), it.start_time_unix_nano, root);
            Reverse(key)
        });
        let mut order = Vec::with_capacity(self.spans.len());
        while let Some(index) = waiting.pop() {
            order.push(index);
            let mut children = self.children(index).to_vec();
            children.sort_by_key(|&it| Reverse((span(it).start_time_unix_nano, it)));
            waiting.extend(children);
        }
        order
    }

    /// Counts the links to spans that are there, and those to spans that are not.
    pub fn count_links(&self) -> (usize, usize) {
        let links = || self.spans.iter().flat_map(|it| &it.otlp.links);
        let found = links().filter(|link| self.target(link).is_some()).count();
        (found, links().count() - found)
    }
}

/// Takes the parent from one span of each circle of parents, and returns these spans.
fn cut_cycles(parents: &mut [Option<usize>]) -> Vec<usize> {
    let mut cut = Vec::new();
    // The walk that has come to a span. A walk that meets itself is in a circle.
    let mut walks = vec![usize::MAX; parents.len()];
    for start in 0..parents.len() {
        let mut next = Some(start);
        while let Some(at) = next.filter(|&at| walks[at] == usize::MAX) {
            walks[at] = start;
            next = parents[at];
        }
        if let Some(at) = next.filter(|&at| walks[at] == start) {
            parents[at] = None;
            cut.push(at);
        }
    }
    cut
}
