//! The parents and links of spans, as references among the expected or the finished ones.

use std::{collections::HashMap, iter};

use opentelemetry::trace::Link;

use super::{
    ExpectedSpan,
    target::{Target, ids},
    text::parent,
};
use crate::telemetry::FinishedSpan;

/// The references among the spans of one side.
pub(super) struct References {
    /// For each reference of each span: the span that it refers to, if that is of the same side.
    pub(super) of: Vec<Vec<Option<usize>>>,
    /// For each span: the references to it, as the indices of a span and of its reference.
    pub(super) to: Vec<Vec<(usize, usize)>>,
}

impl References {
    /// Resolves labels.
    ///
    /// # Panics
    ///
    /// If a label is unknown or given twice.
    #[track_caller]
    pub(super) fn expected(spans: &[ExpectedSpan]) -> Self {
        let mut labels = HashMap::new();
        for (at, span) in spans.iter().enumerate() {
            let Some(label) = &span.label else { continue };
            let other = labels.insert(label, at);
            assert!(other.is_none(), "two expected spans are labelled {label:?}");
        }
        let targets = spans.iter().map(|span| {
            let targets = span.references.iter().map(|reference| match &reference.target {
                Target::Label { label, .. } => {
                    let to = labels.get(label).copied();
                    assert!(to.is_some(), "no expected span is labelled {label:?}");
                    to
                }
                Target::Context(_) => None,
            });
            targets.collect()
        });
        Self::new(targets.collect())
    }

    /// Resolves ids.
    pub(super) fn found(spans: &[FinishedSpan], references: &[Vec<Link>]) -> Self {
        let known = spans.iter().enumerate().map(|(at, span)| (ids(&span.span_context), at));
        let known: HashMap<_, usize> = known.collect();
        let to = |link: &Link| known.get(&ids(&link.span_context)).copied();
        Self::new(references.iter().map(|links| links.iter().map(to).collect()).collect())
    }

    fn new(of: Vec<Vec<Option<usize>>>) -> Self {
        let mut to = vec![Vec::new(); of.len()];
        for (at, targets) in of.iter().enumerate() {
            for (reference, target) in targets.iter().enumerate() {
                if let Some(target) = *target {
                    to[target].push((at, reference));
                }
            }
        }
        Self { of, to }
    }
}

/// Returns the parent of a finished span and then its links, as an expected span has them.
pub(super) fn references(found: &FinishedSpan) -> Vec<Link> {
    let parent = Link::with_context(parent(found));
    iter::once(parent).chain(found.links.iter().cloned()).collect()
}
