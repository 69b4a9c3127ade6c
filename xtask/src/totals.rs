//! The sums over all test binaries, read from what they print.

use std::{fmt, mem};

/// Test results so far. Feed it output as it comes, then call [`Totals::finish`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// Binaries that announced tests and never gave a result: they crashed.
    pub(crate) crashed: u64,
    /// How many tests the running binary has announced.
    announced: Option<u64>,
    /// The last line, as far as it has come.
    line: Vec<u8>,
}

impl Totals {
    /// Takes any piece of output; pieces may end in the middle of a line or of a character.
    pub(crate) fn feed(&mut self, output: &[u8]) {
        for piece in output.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") {
                let line = mem::take(&mut self.line);
                self.read(&String::from_utf8_lossy(&line));
            }
        }
    }

    /// The output is at its end: what has not reported by now never will.
    pub(crate) fn finish(&mut self) {
        let line = mem::take(&mut self.line);
        self.read(&String::from_utf8_lossy(&line));
        self.give_up_on_announced();
    }

    /// True if tests ran, and all of them passed.
    pub(crate) fn are_good(&self) -> bool {
        self.passed > 0 && self.failed == 0
    }

    fn read(&mut self, line: &str) {
        let line = without_escapes(line);
        if let Some(announced) = announcement(&line) {
            self.give_up_on_announced();
            self.announced = Some(announced);
        } else if let Some((passed, failed, skipped)) = result(&line) {
            self.passed += passed;
            self.failed += failed;
            self.skipped += skipped;
            self.announced = None;
        }
    }

    /// Nobody knows which tests of a crashed binary would have passed, so none of them has.
    fn give_up_on_announced(&mut self) {
        if let Some(announced) = self.announced.take() {
            self.failed += announced.max(1);
            self.crashed += 1;
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// `running 12 tests`
fn announcement(line: &str) -> Option<u64> {
    let (count, noun) = line.trim_end().strip_prefix("running ")?.split_once(' ')?;
    matches!(noun, "test" | "tests").then(|| count.parse().ok())?
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s`
fn result(line: &str) -> Option<(u64, u64, u64)> {
    let (_verdict, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |label: &str| {
        counts.split(';').find_map(|part| {
            let (count, found) = part.trim().split_once(' ')?;
            (found == label).then(|| count.parse().ok())?
        })
    };
    Some((count("passed")?, count("failed")?, count("ignored")?))
}

/// Without the colours of `-- --color always`.
fn without_escapes(line: &str) -> String {
    let mut pieces = line.split('\u{1b}');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        // An escape sequence for colour ends with the letter `m`; `(B` belongs to a reset.
        let rest = piece.split_once('m').map_or(piece, |(_, rest)| rest);
        plain.push_str(rest.strip_prefix("(B").unwrap_or(rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(output: &str) -> Totals {
        let mut totals = Totals::default();
        totals.feed(output.as_bytes());
        totals.finish();
        totals
    }

    const TWO_BINARIES: &str = "\n\
        running 2 tests\n\
        test a ... ok\n\
        test b ... ok\n\n\
        test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\n\
        running 3 tests\n\
        test c ... FAILED\n\n\
        test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 7 filtered out; finished in 1.02s\n";

    #[test]
    fn results_of_all_binaries_are_summed() {
        let totals = totals(TWO_BINARIES);
        assert_eq!(totals.to_string(), "3 passed, 1 failed, 1 skipped");
        assert!(!totals.are_good());
    }

    #[test]
    fn skipped_tests_are_named_only_if_there_are_any() {
        let one = totals(
            "running 1 test\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!(one.to_string(), "1 passed, 0 failed");
        assert!(one.are_good());
    }

    #[test]
    fn output_may_come_in_any_pieces() {
        for size in 1..TWO_BINARIES.len() {
            let mut pieces = Totals::default();
            TWO_BINARIES.as_bytes().chunks(size).for_each(|piece| pieces.feed(piece));
            pieces.finish();
            assert_eq!(pieces, totals(TWO_BINARIES), "in pieces of {size}");
        }
    }

    #[test]
    fn a_binary_that_crashes_fails_all_its_tests() {
        let crash_at_the_end = totals("running 4 tests\ntest a ... ok\n");
        assert_eq!((crash_at_the_end.failed, crash_at_the_end.crashed), (4, 1));

        let crash_before_another = totals(&format!("running 1 test\n{TWO_BINARIES}"));
        assert_eq!(crash_before_another.to_string(), "3 passed, 2 failed, 1 skipped");
        assert_eq!(crash_before_another.crashed, 1);
    }

    #[test]
    fn no_test_at_all_is_not_good() {
        let nothing = totals(
            "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s\n",
        );
        assert_eq!(nothing.to_string(), "0 passed, 0 failed");
        assert!(!nothing.are_good());
        assert!(!totals("").are_good());
    }

    #[test]
    fn colours_do_not_matter() {
        let coloured = "test result: \u{1b}[32mok\u{1b}(B\u{1b}[m. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.0s\n";
        assert_eq!(totals(coloured).passed, 5);
    }

    #[test]
    fn what_only_looks_like_a_result_is_none() {
        let chatter = "we are running 3 tests\n  test result: ok. 9 passed; 0 failed; 0 ignored\n\
                       running late\nrunning 3 tests of many\n\u{fffd}\ntest result: unclear\n";
        assert_eq!(totals(chatter), Totals::default());
    }
}
