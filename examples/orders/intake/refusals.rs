//! Lines that are not orders: each is reported, runs of them together, and all are counted.

use crate::order::Refusal;
use std::{collections::BTreeMap, fmt};

/// A file of a million wrong lines must not bury the traces: from here on they are only counted.
const REPORTS: usize = 1_000;

/// The lines that were refused so far.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    by_reason: BTreeMap<Refusal, u64>,
    /// Neighbouring lines that were refused for the same reason, not yet reported.
    run: Option<(u64, u64, Refusal)>,
    reports: usize,
}

impl Refusals {
    /// Line `number` is not an order.
    pub(super) fn add(&mut self, number: u64, refusal: Refusal) {
        *self.by_reason.entry(refusal).or_default() += 1;
        match &mut self.run {
            Some((_, last, same)) if *same == refusal && *last + 1 == number => *last = number,
            _ => {
                self.end_of_round();
                self.run = Some((number, number, refusal));
            }
        }
    }

    /// Reports what has not been reported yet.
    pub(super) fn end_of_round(&mut self) {
        if let Some(run) = self.run.take()
            && let Some(report) = self.report(run)
        {
            eprintln!("orders: {report}");
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.by_reason.values().sum()
    }

    fn report(&mut self, (first, last, refusal): (u64, u64, Refusal)) -> Option<String> {
        self.reports += 1;
        match self.reports {
            ..=REPORTS if first == last => Some(format!("line {first} is not an order: {refusal}")),
            ..=REPORTS => Some(format!("lines {first} to {last} are not orders: {refusal}")),
            n if n == REPORTS + 1 => {
                Some("more lines are not orders: they are counted below".into())
            }
            _ => None,
        }
    }
}

/// `lines that were not orders: 3 (2 blank; 1 not UTF-8)`
impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lines that were not orders: {}", self.count())?;
        for (index, (refusal, count)) in self.by_reason.iter().enumerate() {
            let separator = if index == 0 { " (" } else { "; " };
            write!(f, "{separator}{count} {refusal}")?;
        }
        if self.by_reason.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_reported_together() {
        let mut refusals = Refusals::default();
        refusals.add(3, Refusal::Blank);
        refusals.add(4, Refusal::Blank);
        assert_eq!(refusals.run, Some((3, 4, Refusal::Blank)));
        refusals.add(5, Refusal::NotUtf8);
        assert_eq!(refusals.run, Some((5, 5, Refusal::NotUtf8)));
        assert_eq!(refusals.to_string(), "lines that were not orders: 3 (2 blank; 1 not UTF-8)");
    }

    #[test]
    fn reports_end_but_the_count_does_not() {
        let mut refusals = Refusals::default();
        let reports: Vec<_> =
            (1..=1_100).filter_map(|n| refusals.report((n, n, Refusal::Blank))).collect();
        assert_eq!(reports.len(), REPORTS + 1);
        assert_eq!(reports[1], "line 2 is not an order: blank");
        assert_eq!(reports[REPORTS], "more lines are not orders: they are counted below");
        let ranges = Refusals::default().report((1, 9, Refusal::NoComma)).unwrap();
        assert_eq!(ranges, "lines 1 to 9 are not orders: no comma between customer and amount");
    }
}
