//! Assigns a finished span to each expected one.
//!
//! 1. The candidates of an expected span are the finished spans that equal it in everything but
//!    parent and links.
//! 2. A candidate is dropped if its parent, its links or the spans that refer to it cannot be the
//!    expected ones. This is repeated until nothing changes.
//! 3. Where several candidates remain, the first one is chosen, and step 2 is repeated.
//!
//! A wrong choice cannot make an assertion pass: the text of all spans is compared afterwards.

use std::{collections::BTreeSet, mem};

use opentelemetry::trace::Link;

use super::{
    ExpectedSpan,
    references::{References, references},
    target::{Target, ids},
};
use crate::{matching::can_pair, telemetry::FinishedSpan};

/// The finished spans that each expected span may be.
pub(super) struct Candidates<'a> {
    expected: &'a [ExpectedSpan],
    expected_references: References,
    /// For each finished span: its parent, then its links.
    found: Vec<Vec<Link>>,
    found_references: References,
    /// For each expected span and each finished one: whether that is a candidate.
    is_open: Vec<Vec<bool>>,
    /// For each expected span: the number of its candidates.
    count: Vec<usize>,
    /// The expected spans whose candidates have to be checked.
    queue: BTreeSet<usize>,
}

impl<'a> Candidates<'a> {
    /// Starts from these candidates of each expected span.
    ///
    /// # Panics
    ///
    /// If a label is unknown or given twice.
    #[track_caller]
    pub(super) fn new(
        expected: &'a [ExpectedSpan],
        found: &[FinishedSpan],
        candidates: &[Vec<usize>],
    ) -> Self {
        let mut is_open = vec![vec![false; found.len()]; expected.len()];
        for (at, candidates) in candidates.iter().enumerate() {
            for &to in candidates {
                is_open[at][to] = true;
            }
        }
        let links: Vec<Vec<Link>> = found.iter().map(references).collect();
        Self {
            expected,
            expected_references: References::expected(expected),
            found_references: References::found(found, &links),
            found: links,
            is_open,
            count: candidates.iter().map(Vec::len).collect(),
            queue: (0..expected.len()).collect(),
        }
    }

    /// Returns the finished span that is assigned to each expected one, if there is one.
    pub(super) fn choose(mut self) -> Vec<Option<usize>> {
        self.narrow();
        let all = 0..self.expected.len();
        // Fewest candidates first, so that `any` does not take what an exact value needs.
        while let Some(at) =
            all.clone().filter(|&at| self.count[at] > 1).min_by_key(|&at| self.count[at])
        {
            let first = self.open(at).take(1).collect();
            self.keep(at, first);
            self.narrow();
        }
        all.map(|at| self.open(at).next()).collect()
    }

    /// Drops candidates that do not fit, until nothing changes.
    fn narrow(&mut self) {
        while !self.queue.is_empty() {
            for at in mem::take(&mut self.queue) {
                if self.count[at] > 1 {
                    let fitting: Vec<usize> =
                        self.open(at).filter(|&to| self.fits(at, to)).collect();
                    if fitting.len() < self.count[at] {
                        self.keep(at, fitting);
                    }
                }
                if self.count[at] == 1 {
                    self.settle(at);
                }
            }
        }
    }

    fn open(&self, at: usize) -> impl Iterator<Item = usize> {
        self.is_open[at].iter().enumerate().filter_map(|(to, is_open)| is_open.then_some(to))
    }

    fn keep(&mut self, at: usize, candidates: Vec<usize>) {
        self.count[at] = candidates.len();
        self.is_open[at].fill(false);
        for to in candidates {
            self.is_open[at][to] = true;
        }
        self.queue_around(at);
    }

    /// Removes the only candidate of an expected span from all others.
    fn settle(&mut self, at: usize) {
        let Some(to) = self.open(at).next() else { return };
        for other in (0..self.expected.len()).filter(|&other| other != at) {
            if mem::take(&mut self.is_open[other][to]) {
                self.count[other] -= 1;
                if self.count[other] == 1 {
                    self.queue_around(other);
                }
            }
        }
    }

    /// Queues an expected span, those that it refers to, and those that refer to it.
    fn queue_around(&mut self, at: usize) {
        self.queue.insert(at);
        self.queue.extend(self.expected_references.of[at].iter().flatten());
        self.queue.extend(self.expected_references.to[at].iter().map(|(from, _)| from));
    }

    /// Tells whether each reference of an expected span, and each one to it, has a counterpart.
    fn fits(&self, at: usize, to: usize) -> bool {
        let (expected, found) = (&self.expected_references, &self.found_references);
        (self.expected[at].ignores_rest || expected.of[at].len() == found.of[to].len())
            && can_pair(expected.of[at].len(), found.of[to].len(), |one, other| {
                self.reference_fits((at, one), (to, other))
            })
            && can_pair(expected.to[at].len(), found.to[to].len(), |one, other| {
                self.reference_fits(expected.to[at][one], found.to[to][other])
            })
    }

    /// Compares two references, each given by its span and its index.
    fn reference_fits(&self, (at, one): (usize, usize), (to, other): (usize, usize)) -> bool {
        let (expected, found) = (&self.expected[at].references[one], &self.found[to][other]);
        if one == 0 && self.expected[at].ignores_parent() {
            return other == 0;
        }
        let has_target = match &expected.target {
            Target::Context(context) => ids(context) == ids(&found.span_context),
            Target::Label { .. } => self.expected_references.of[at][one]
                .zip(self.found_references.of[to][other])
                .is_some_and(|(at, to)| self.may_be(at, to)),
        };
        has_target
            && self.may_be(at, to)
            // The first reference is the parent.
            && (one == 0) == (other == 0)
            && (one == other || !self.expected[at].links_in_order)
            && expected.target.is_remote() == found.span_context.is_remote()
            && found.dropped_attributes_count == 0
            && expected.attributes.match_all(&found.attributes)
    }

    /// Tells whether an expected span may be a finished one. It may be any if it has no candidate:
    /// its own difference must not become one of its neighbours.
    fn may_be(&self, at: usize, to: usize) -> bool {
        self.is_open[at][to] || self.count[at] == 0
    }
}
