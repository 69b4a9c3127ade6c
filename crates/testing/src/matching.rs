//! Pairs what is expected with what was found, where several of each are alike.

use std::collections::{HashMap, VecDeque};

/// Pairs as many of `0..left` with `0..right` as possible: returns the right one for each left one.
///
/// This is a maximum matching. A greedy choice would let `any` take the partner that an exact
/// value needs.
pub(crate) fn pair(
    left: usize,
    right: usize,
    fits: impl Fn(usize, usize) -> bool,
) -> Vec<Option<usize>> {
    let mut matching = Matching::new(left, right, fits);
    for start in 0..left {
        matching.add(start);
    }
    matching.of_left
}

/// Tells whether each of `0..left` can have a partner of its own in `0..right`.
pub(crate) fn can_pair(left: usize, right: usize, fits: impl Fn(usize, usize) -> bool) -> bool {
    // The most frequent cases need no matching.
    if left <= 1 || left > right {
        return left == 0 || left == 1 && (0..right).any(|to| fits(0, to));
    }
    let mut matching = Matching::new(left, right, fits);
    (0..left).all(|start| matching.add(start))
}

/// Returns the indices of `0..count` that are on no pair's right side.
pub(crate) fn unpaired(pairs: &[Option<usize>], count: usize) -> Vec<usize> {
    let mut free = vec![true; count];
    for &found in pairs.iter().flatten() {
        free[found] = false;
    }
    (0..count).filter(|&found| free[found]).collect()
}

/// Replaces found lines by the expected lines that they fit, so that `any` is equal to a value.
///
/// Lines that are equal are paired without `fits`.
pub(crate) fn reword(
    expected: &[String],
    mut found: Vec<String>,
    fits: impl Fn(usize, usize) -> bool,
) -> Vec<String> {
    // Equal lines first: of thousands of links this mostly leaves none to search for.
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for line in expected {
        *counts.entry(line).or_default() += 1;
    }
    let mut take = |line: &str| {
        let count = counts.get_mut(line).filter(|count| **count > 0);
        count.map(|count| *count -= 1).is_some()
    };
    let found_left: Vec<usize> = (0..found.len()).filter(|&to| !take(&found[to])).collect();
    let expected_left: Vec<usize> = (0..expected.len()).filter(|&at| take(&expected[at])).collect();
    let pairs = pair(expected_left.len(), found_left.len(), |at, to| {
        fits(expected_left[at], found_left[to])
    });
    for (&at, to) in expected_left.iter().zip(pairs) {
        if let Some(to) = to {
            found[found_left[to]].clone_from(&expected[at]);
        }
    }
    found
}

/// Returns the `expected` lines if all of them are among the `found` ones, else the found ones, for
/// a message that shows what there is instead.
pub(crate) fn without_others(expected: &[String], found: Vec<String>) -> Vec<String> {
    let mut rest: Vec<&String> = found.iter().collect();
    let are_found = expected.iter().all(|line| {
        let at = rest.iter().position(|other| *other == line);
        at.map(|at| rest.swap_remove(at)).is_some()
    });
    if are_found { expected.to_vec() } else { found }
}

/// A matching that is built by adding one left one after the other (Kuhn's algorithm).
struct Matching<F> {
    fits: F,
    of_left: Vec<Option<usize>>,
    of_right: Vec<Option<usize>>,
}

impl<F: Fn(usize, usize) -> bool> Matching<F> {
    fn new(left: usize, right: usize, fits: F) -> Self {
        Self { fits, of_left: vec![None; left], of_right: vec![None; right] }
    }

    /// Finds a partner for `start`. Gives others another partner if needed.
    fn add(&mut self, start: usize) -> bool {
        // Both sides are mostly in the same order.
        if self.of_right.get(start) == Some(&None) && (self.fits)(start, start) {
            self.of_left[start] = Some(start);
            self.of_right[start] = Some(start);
            return true;
        }
        // Breadth first, not recursive: a chain may be as long as there are pairs.
        let mut reached_from = vec![None; self.of_right.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for to in 0..self.of_right.len() {
                if reached_from[to].is_some() || !(self.fits)(at, to) {
                    continue;
                }
                reached_from[to] = Some(at);
                let Some(taker) = self.of_right[to] else {
                    self.reassign(to, &reached_from);
                    return true;
                };
                queue.push_back(taker);
            }
        }
        false
    }

    /// Pairs each left one on the path to `end` with the right one that it reached.
    fn reassign(&mut self, end: usize, reached_from: &[Option<usize>]) {
        let mut next = Some(end);
        while let Some((to, at)) = next.and_then(|to| Some((to, reached_from[to]?))) {
            self.of_right[to] = Some(at);
            next = self.of_left[at].replace(to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greedy_choice_is_taken_back() {
        // 0 fits both, 1 only what 0 takes first.
        let fits = |left, right| left == 0 || right == 0;
        assert_eq!(pair(2, 2, fits), [Some(1), Some(0)]);
        assert!(can_pair(2, 2, fits));
    }

    #[test]
    fn a_chain_of_choices_is_taken_back() {
        // Each fits itself and its successor; the last fits the first only.
        let fits =
            |left, right| if left == 3 { right == 0 } else { right == left || right == left + 1 };
        assert_eq!(pair(4, 4, fits), [Some(1), Some(2), Some(3), Some(0)]);
    }

    #[test]
    fn what_cannot_be_paired_is_left_over() {
        let fits = |left, right| left != 1 && right == 1;
        let pairs = pair(3, 2, fits);
        assert_eq!(pairs, [Some(1), None, None]);
        assert_eq!(unpaired(&pairs, 2), [0]);
        assert!(!can_pair(2, 2, fits));
        assert!(!can_pair(2, 1, |_, _| true));
        assert!(can_pair(1, 2, |_, _| true));
    }

    #[test]
    fn found_lines_take_the_words_of_expected_ones() {
        let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
        let expected = lines(&["any", "1", "1"]);
        let fits = |at, _| at == 0;
        assert_eq!(reword(&expected, lines(&["1", "1", "2"]), fits), ["1", "1", "any"]);
        assert_eq!(reword(&expected, lines(&["1", "3", "2"]), fits), ["1", "any", "2"]);
    }

    #[test]
    fn ten_thousand_alike_are_paired_at_once() {
        let pairs = pair(10_000, 10_000, |_, _| true);
        assert!(pairs.iter().enumerate().all(|(left, &right)| right == Some(left)));
    }
}
