//! The comparison of expected spans with finished ones.

use std::collections::{HashMap, HashSet};

use opentelemetry::InstrumentationScope;

use super::{
    ExpectedSpan,
    candidates::Candidates,
    text::{Text, show_ids},
};
use crate::{difference::difference, matching::unpaired, telemetry::FinishedSpan};

/// Expected spans, each with the finished one that it is compared with.
pub(super) struct Comparison<'a> {
    expected: &'a [ExpectedSpan],
    found: &'a [FinishedSpan],
    text: Text<'a>,
    /// For each expected span the index of the finished one.
    pub(super) pairs: Vec<Option<usize>>,
}

impl<'a> Comparison<'a> {
    /// Pairs each expected span with the finished one that equals it or is nearest to it.
    ///
    /// # Panics
    ///
    /// If a label is unknown or given twice.
    #[track_caller]
    pub(super) fn new(
        expected: &'a [ExpectedSpan],
        found: &'a [FinishedSpan],
        scope: Option<&'a InstrumentationScope>,
    ) -> Self {
        let mut this = Self { expected, found, text: Text::new(scope), pairs: Vec::new() };
        this.pairs = Candidates::new(expected, found, &this.alike()).choose();
        this.pair_nearest();
        for (span, pair) in expected.iter().zip(&this.pairs) {
            if let (Some(label), Some(to)) = (&span.label, *pair) {
                this.text.add_label(label, &found[to].span_context);
            }
        }
        this
    }

    /// Returns a text for each expected span that differs or is missing.
    pub(super) fn differences(&self) -> Vec<String> {
        let mut differences = Vec::new();
        for (span, pair) in self.expected.iter().zip(&self.pairs) {
            let found = pair.map(|to| &self.found[to]);
            let expected_lines = self.text.expected(span);
            let (what, found_lines) = match found {
                Some(found) => {
                    let ids = show_ids(&found.span_context);
                    (format!("differs from {ids}"), self.text.found(found, span))
                }
                None => ("was not found".to_owned(), Vec::new()),
            };
            if found_lines != expected_lines {
                let label = span.label.iter().map(|label| format!(" (label {label:?})"));
                let title = format!("span {:?}{}", span.name, label.collect::<String>());
                let lines = difference(&expected_lines, &found_lines);
                differences.push(format!("{title} {what}:\n{lines}"));
            }
        }
        differences
    }

    /// Returns a text for each finished span that is not expected.
    pub(super) fn unexpected(&self) -> Vec<String> {
        let unexpected = unpaired(&self.pairs, self.found.len()).into_iter().map(|to| {
            let found = &self.found[to];
            let lines = difference(&[], &self.text.found_alone(found));
            format!(
                "span {:?} was not expected, {}:\n{lines}",
                found.name,
                show_ids(&found.span_context)
            )
        });
        unexpected.collect()
    }

    /// Returns a text that names the finished spans that are not expected.
    pub(super) fn others(&self) -> String {
        let others = unpaired(&self.pairs, self.found.len()).into_iter();
        let names: Vec<String> = others.map(|to| format!("{:?}", self.found[to].name)).collect();
        if names.is_empty() {
            return "no other span has finished\n".to_owned();
        }
        format!("other spans that have finished: {}\n", names.join(", "))
    }

    /// Returns for each expected span the finished ones that equal it but for parent and links.
    fn alike(&self) -> Vec<Vec<usize>> {
        // Equal expected spans are compared once: there may be thousands.
        let mut known: HashMap<Vec<String>, Vec<usize>> = HashMap::new();
        let alike = self.expected.iter().map(|span| {
            let facts = self.text.expected_facts(span);
            let is_alike = |to: &usize| {
                let found = &self.found[*to];
                // Name and attributes first: to write the text of each span takes longer.
                span.name == found.name
                    && span.attributes.match_all(&found.attributes)
                    && self.text.found_facts(found, span) == facts
            };
            let alike = || (0..self.found.len()).filter(is_alike).collect();
            known.entry(facts.clone()).or_insert_with(alike).clone()
        });
        alike.collect()
    }

    /// Pairs spans that have no partner, those with the fewest differences first.
    fn pair_nearest(&mut self) {
        let missing = (0..self.pairs.len()).filter(|&at| self.pairs[at].is_none());
        let missing: Vec<(usize, Vec<String>)> =
            missing.map(|at| (at, self.text.expected_facts(&self.expected[at]))).collect();
        let mut distances = Vec::new();
        for to in unpaired(&self.pairs, self.found.len()) {
            if missing.is_empty() {
                return;
            }
            let found: HashSet<String> =
                self.text.found_alone(&self.found[to]).into_iter().collect();
            for (at, expected) in &missing {
                let distance = expected.iter().filter(|fact| !found.contains(*fact)).count();
                // Spans whose names and other facts differ are not the same span.
                if distance == 1 || self.expected[*at].name == self.found[to].name {
                    distances.push((distance, *at, to));
                }
            }
        }
        distances.sort_unstable();
        let mut is_taken = HashSet::new();
        for (_, at, to) in distances {
            if self.pairs[at].is_none() && is_taken.insert(to) {
                self.pairs[at] = Some(to);
            }
        }
    }
}
