//! Pairing of what is expected with what was found, where several of each are alike.

use std::collections::VecDeque;

/// Pairs as many of `0..left` with `0..right` as can be: for each left one its right one, if any.
///
/// A greedy choice would not do: `any` may take the partner that an exact value needs.
pub(crate) fn pair(
    left: usize,
    right: usize,
    fits: impl Fn(usize, usize) -> bool,
) -> Vec<Option<usize>> {
    let mut of_left = vec![None; left];
    let mut of_right = vec![None; right];
    for start in 0..left {
        // What was written down in order mostly came in order.
        if start < right && of_right[start].is_none() && fits(start, start) {
            of_left[start] = Some(start);
            of_right[start] = Some(start);
            continue;
        }
        // Breadth first, not recursive: a chain may be as long as there are pairs.
        let mut reached_from = vec![None; right];
        let mut queue = VecDeque::from([start]);
        let mut end = None;
        'search: while let Some(at) = queue.pop_front() {
            for to in 0..right {
                if reached_from[to].is_none() && fits(at, to) {
                    reached_from[to] = Some(at);
                    let Some(taker) = of_right[to] else {
                        end = Some(to);
                        break 'search;
                    };
                    queue.push_back(taker);
                }
            }
        }
        while let Some((to, at)) = end.and_then(|to| Some((to, reached_from[to]?))) {
            end = of_left[at].replace(to);
            of_right[to] = Some(at);
        }
    }
    of_left
}

/// The indices of `0..count` that no pair has on its right side.
pub(crate) fn unpaired(pairs: &[Option<usize>], count: usize) -> Vec<usize> {
    let mut free = vec![true; count];
    for &found in pairs.iter().flatten() {
        free[found] = false;
    }
    (0..count).filter(|&found| free[found]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greedy_choice_is_taken_back() {
        // 0 fits both, 1 only what 0 takes first.
        let pairs = pair(2, 2, |left, right| left == 0 || right == 0);
        assert_eq!(pairs, [Some(1), Some(0)]);
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
        let pairs = pair(3, 2, |left, right| left != 1 && right == 1);
        assert_eq!(pairs, [Some(1), None, None]);
        assert_eq!(unpaired(&pairs, 2), [0]);
    }

    #[test]
    fn ten_thousand_alike_are_paired_at_once() {
        let pairs = pair(10_000, 10_000, |_, _| true);
        assert!(pairs.iter().enumerate().all(|(left, &right)| right == Some(left)));
    }
}
