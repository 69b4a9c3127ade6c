//! Which finished span stands for which expected one.
//!
//! Spans may be alike in everything but what they refer to, so this is a search: a choice is
//! followed along parents and links, and taken back where it ends in a contradiction. The search
//! only proposes; what it proposes is compared again, so it cannot make a test pass.

use std::collections::VecDeque;

use super::graph::{Graph, parent};

/// More choices than any sensible test needs; what lies beyond is reported as a difference.
const MAX_CHOICES: usize = 100_000;

/// A search for partners that agree on what labels stand for.
pub(super) struct Search<'a> {
    graph: &'a Graph<'a>,
    /// For every expected span who may still stand for it, in order.
    open: Vec<Vec<usize>>,
    settled: Vec<bool>,
    /// For every finished span the expected ones it was ever open for.
    rivals: Vec<Vec<usize>>,
    undo: Vec<Step>,
    /// Whether a contradiction ends in another choice, or is left for the report.
    strict: bool,
}

/// What to take back with a choice.
enum Step {
    Excluded { expected: usize, found: usize, place: usize },
    Narrowed { expected: usize, from: Vec<usize> },
    Settled { expected: usize },
}

struct Choice {
    expected: usize,
    untried: Vec<usize>,
    undo: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(graph: &'a Graph<'a>, open: Vec<Vec<usize>>, strict: bool) -> Self {
        let mut rivals = vec![Vec::new(); graph.found.len()];
        for (at, open) in open.iter().enumerate() {
            for &to in open {
                rivals[to].push(at);
            }
        }
        let settled = vec![false; open.len()];
        Self { graph, open, settled, rivals, undo: Vec::new(), strict }
    }

    /// For every expected span its partner, if any; none if a strict search found no solution.
    pub(super) fn run(mut self) -> Option<Vec<Option<usize>>> {
        let sure = (0..self.open.len()).filter(|&at| self.open[at].len() == 1).collect();
        if !self.settle(sure) {
            return None;
        }
        let mut choices: Vec<Choice> = Vec::new();
        let mut count = 0;
        while let Some(expected) = self.most_constrained() {
            let untried = self.open[expected].iter().rev().copied().collect();
            choices.push(Choice { expected, untried, undo: self.undo.len() });
            loop {
                let choice = choices.last_mut()?;
                let (expected, undo) = (choice.expected, choice.undo);
                let next = choice.untried.pop();
                self.take_back(undo);
                count += 1;
                if self.strict && count > MAX_CHOICES {
                    return None;
                }
                match next {
                    Some(found) if self.choose(expected, found) => break,
                    Some(_) => {}
                    None => drop(choices.pop()),
                }
            }
        }
        Some(self.open.iter().map(|open| open.first().copied()).collect())
    }

    fn most_constrained(&self) -> Option<usize> {
        (0..self.open.len())
            .filter(|&at| !self.settled[at] && !self.open[at].is_empty())
            .min_by_key(|&at| self.open[at].len())
    }

    fn choose(&mut self, expected: usize, found: usize) -> bool {
        self.narrow(expected, vec![found]);
        self.settle(VecDeque::from([expected]))
    }

    /// Settles those that have one partner left, and who thereby has only one left, and so on.
    fn settle(&mut self, mut sure: VecDeque<usize>) -> bool {
        while let Some(at) = sure.pop_front() {
            // A rival may have taken the last one: in a strict search this was seen already.
            let Some(&to) = self.open[at].first() else { continue };
            if std::mem::replace(&mut self.settled[at], true) {
                continue;
            }
            self.undo.push(Step::Settled { expected: at });
            for rival in self.rivals[to].clone() {
                if rival != at && self.exclude(rival, to) {
                    if self.open[rival].is_empty() && self.strict {
                        return false;
                    }
                    if self.open[rival].len() == 1 {
                        sure.push_back(rival);
                    }
                }
            }
            if !self.follow(at, to, &mut sure) {
                return false;
            }
        }
        true
    }

    /// Follows the parent and links of a settled span, and those that refer to it.
    fn follow(&mut self, at: usize, to: usize, sure: &mut VecDeque<usize>) -> bool {
        let (graph, expected, found) =
            (self.graph, &self.graph.expected[at], &self.graph.found[to]);
        if let Some(target) = expected.parent.as_ref().and_then(|target| graph.labelled(target)) {
            let parent = parent(found).and_then(|parent| graph.finished(&parent));
            if !self.keep(target, |candidate| Some(candidate) == parent, sure) {
                return false;
            }
        }
        for (link, target) in expected.links.iter().zip(&graph.targets[at]) {
            let Some(target) = *target else { continue };
            let mut linked: Vec<usize> = (0..found.links.len())
                .filter(|&other| graph.link_may_fit(link, to, other))
                .filter_map(|other| graph.linked[to][other])
                .collect();
            linked.sort_unstable();
            if !self.keep(target, |candidate| linked.binary_search(&candidate).is_ok(), sure) {
                return false;
            }
        }
        for &referring in &graph.referring[at] {
            if !self.keep(referring, |candidate| graph.refers(referring, candidate, at, to), sure) {
                return false;
            }
        }
        true
    }

    /// Keeps those partners of `at` that fit.
    fn keep(
        &mut self,
        at: usize,
        fits: impl Fn(usize) -> bool,
        sure: &mut VecDeque<usize>,
    ) -> bool {
        let open = &self.open[at];
        let fitting: Vec<usize> = open.iter().copied().filter(|&to| fits(to)).collect();
        if fitting.is_empty() {
            // A report is better off with a partner whose reference is wrong than with none.
            return !self.strict;
        }
        if fitting.len() < open.len() {
            if fitting.len() == 1 {
                sure.push_back(at);
            }
            self.narrow(at, fitting);
        }
        true
    }

    fn narrow(&mut self, expected: usize, to: Vec<usize>) {
        let from = std::mem::replace(&mut self.open[expected], to);
        self.undo.push(Step::Narrowed { expected, from });
    }

    fn exclude(&mut self, expected: usize, found: usize) -> bool {
        let place = self.open[expected].binary_search(&found);
        if let Ok(place) = place {
            self.open[expected].remove(place);
            self.undo.push(Step::Excluded { expected, found, place });
        }
        place.is_ok()
    }

    fn take_back(&mut self, to: usize) {
        for step in self.undo.drain(to..).rev() {
            match step {
                Step::Excluded { expected, found, place } => {
                    self.open[expected].insert(place, found);
                }
                Step::Narrowed { expected, from } => self.open[expected] = from,
                Step::Settled { expected } => self.settled[expected] = false,
            }
        }
    }
}
