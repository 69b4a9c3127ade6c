//! Expected spans as data, and their comparison with the finished ones.
//!
//! What an expected span does not name must be empty, absent or unset. Times and ids are ignored.
//! [`any`](crate::attributes::any) ignores a value, [`includes`](ExpectedSpan::includes) what is not
//! named of a span, and [`assert_includes`](Telemetry::assert_includes) spans that are not listed.

mod candidates;
mod comparison;
mod expected;
mod references;
mod target;
mod text;

use self::comparison::Comparison;
pub(crate) use self::text::show_span;
pub use self::{
    expected::{ExpectedSpan, span},
    target::{Target, remote},
};
use crate::telemetry::{FinishedSpan, Telemetry};

/// How many different spans a failed assertion shows.
const MAX_SHOWN: usize = 20;

impl Telemetry {
    /// Asserts that the finished spans are exactly the `expected` ones, in any order. Returns them
    /// in the order of the expected ones.
    ///
    /// Compares the name, kind, parent, status and scope of each span, all its attributes, and all
    /// its links and events with their attributes. A span that names no [`scope`] must come from
    /// the scope given to [`Builder::expecting_scope`], if any, or from [`Telemetry::tracer`].
    ///
    /// Spans with equal content are told apart by their parents and links, and by the spans that
    /// refer to them; otherwise they are interchangeable. They are assigned one after the other and
    /// never reassigned. Where many equal spans refer to each other in circles, this can report a
    /// difference although there is an assignment without one: give these spans an attribute each.
    ///
    /// # Panics
    ///
    /// If a span differs, is missing or is not expected, with the difference; or if a label is
    /// unknown or given twice.
    ///
    /// [`scope`]: ExpectedSpan::scope
    /// [`Builder::expecting_scope`]: crate::telemetry::Builder::expecting_scope
    #[track_caller]
    pub fn assert_spans(
        &self,
        expected: impl IntoIterator<Item = ExpectedSpan>,
    ) -> Vec<FinishedSpan> {
        self.compare(&expected.into_iter().collect::<Vec<_>>(), false)
    }

    /// Asserts that each of the `expected` spans is finished, and ignores all other spans. Returns
    /// them in the order of the expected ones.
    ///
    /// Compares spans as [`assert_spans`](Self::assert_spans) does: combine it with
    /// [`ExpectedSpan::includes`] to ignore what is not named of a span, too.
    ///
    /// # Panics
    ///
    /// If a span differs or is missing, with the difference and the names of the other spans; or if
    /// a label is unknown or given twice.
    #[track_caller]
    pub fn assert_includes(
        &self,
        expected: impl IntoIterator<Item = ExpectedSpan>,
    ) -> Vec<FinishedSpan> {
        self.compare(&expected.into_iter().collect::<Vec<_>>(), true)
    }

    #[track_caller]
    fn compare(&self, expected: &[ExpectedSpan], ignores_others: bool) -> Vec<FinishedSpan> {
        let found = self.spans();
        let comparison = Comparison::new(expected, &found, self.scope.as_ref());
        let mut differences = comparison.differences();
        if !ignores_others {
            differences.extend(comparison.unexpected());
        } else if !differences.is_empty() {
            differences.push(comparison.others());
        }
        if differences.len() > MAX_SHOWN {
            let more = differences.split_off(MAX_SHOWN).len();
            differences.push(format!("and {more} more spans\n"));
        }
        let (expected, count) = (expected.len(), found.len());
        let head = format!("spans differ: {expected} expected (-), {count} finished (+)");
        assert!(differences.is_empty(), "{head}\n\n{}", differences.join("\n"));
        comparison.pairs.iter().flatten().map(|&at| found[at].clone()).collect()
    }
}

#[cfg(test)]
mod tests;
