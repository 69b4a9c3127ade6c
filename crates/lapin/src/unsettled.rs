//! The deliveries of a channel that wait for their settlement.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Deliveries that are remembered; when there are more, the oldest are forgotten.
const MAX_DELIVERIES: usize = 16_384;

/// The deliveries of a channel that were handed to the application and are not settled, by their
/// tags. A settlement by tag finds its message here, and one of several deliveries their count.
#[derive(Debug)]
pub(crate) struct Unsettled<T>(Mutex<Ring<T>>);

#[derive(Debug)]
struct Ring<T> {
    /// Every delivery up to this tag is settled.
    done: u64,
    /// Later deliveries that are known, in the order of their tags: `None` if one is settled before
    /// an earlier one is.
    later: VecDeque<(u64, Option<T>)>,
}

impl<T> Unsettled<T> {
    /// Adds a delivery that was handed over; `None` if it needs no settlement.
    pub(crate) fn add(&self, tag: u64, message: Option<T>) {
        let mut ring = self.lock();
        let mut index = ring.index_after(tag);
        let is_known = index.checked_sub(1).is_some_and(|last| ring.later[last].0 == tag);
        if tag <= ring.done || is_known {
            // The channel was recovered: its tags start again.
            *ring = Ring { done: tag.saturating_sub(1), later: VecDeque::new() };
            index = 0;
        }
        ring.later.insert(index, (tag, message));
        if ring.later.len() > MAX_DELIVERIES {
            ring.later.pop_front();
        }
        ring.advance();
    }

    /// Removes the delivery with this tag, and all before it if `multiple`. Returns the message, if
    /// it is known, and how many deliveries are settled by `multiple`, if all are known.
    pub(crate) fn settle(&self, tag: u64, multiple: bool) -> (Option<T>, Option<u64>) {
        let mut ring = self.lock();
        let settled = match (multiple, tag) {
            (false, _) => (ring.take(tag), None),
            (true, 0) => {
                // All, and also those that the client has not handed over.
                ring.done = ring.later.back().map_or(ring.done, |(last, _)| *last);
                ring.later.clear();
                (None, None)
            }
            (true, _) => ring.take_up_to(tag),
        };
        ring.advance();
        settled
    }

    fn lock(&self) -> MutexGuard<'_, Ring<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Ring<T> {
    fn take(&mut self, tag: u64) -> Option<T> {
        let last = self.index_after(tag).checked_sub(1)?;
        let (found, message) = self.later.get_mut(last)?;
        message.take_if(|_| *found == tag)
    }

    fn take_up_to(&mut self, tag: u64) -> (Option<T>, Option<u64>) {
        let end = self.index_after(tag);
        let all_known = tag.checked_sub(self.done) == Some(end as u64);
        let (mut own, mut count) = (None, 0);
        for (settled, message) in self.later.drain(..end) {
            count += u64::from(message.is_some());
            if settled == tag {
                own = message;
            }
        }
        self.done = self.done.max(tag);
        (own, all_known.then_some(count))
    }

    /// Returns the index after the delivery with this tag, or where that would be. Deliveries of
    /// several consumers are not handed over in the order of their tags.
    fn index_after(&self, tag: u64) -> usize {
        self.later.partition_point(|(later, _)| *later <= tag)
    }

    fn advance(&mut self) {
        while let Some((tag, None)) = self.later.front()
            && *tag == self.done + 1
        {
            self.done = *tag;
            self.later.pop_front();
        }
    }
}

impl<T> Default for Unsettled<T> {
    fn default() -> Self {
        Self(Mutex::new(Ring { done: 0, later: VecDeque::new() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(tags: impl IntoIterator<Item = u64>) -> Unsettled<u64> {
        let unsettled = Unsettled::default();
        tags.into_iter().for_each(|tag| unsettled.add(tag, Some(tag)));
        unsettled
    }

    #[test]
    fn a_tag_is_found_once_in_whatever_order_they_came() {
        let unsettled = with([2, 5, 1, 4, 3, 9]);
        for tag in [3, 9, 1, 2, 5, 4] {
            assert_eq!(unsettled.settle(tag, false), (Some(tag), None));
            assert_eq!(unsettled.settle(tag, false), (None, None));
        }
        for unknown in [0, 7, 10] {
            assert_eq!(unsettled.settle(unknown, false), (None, None));
        }
    }

    #[test]
    fn several_are_counted_if_none_is_missing() {
        assert_eq!(with(1..=5).settle(5, true), (Some(5), Some(5)));
        assert_eq!(with([2, 1, 3]).settle(3, true), (Some(3), Some(3)));
        assert_eq!(with([1, 3]).settle(3, true), (Some(3), None), "the second is unknown");
        assert_eq!(with(2..=3).settle(3, true), (Some(3), None), "the first is unknown");
        let unsettled = with(1..=9);
        assert_eq!(unsettled.settle(2, false), (Some(2), None));
        assert_eq!(unsettled.settle(4, true), (Some(4), Some(3)));
        assert_eq!(unsettled.settle(4, true), (None, Some(0)), "that was all");
        assert_eq!(unsettled.settle(6, true), (Some(6), Some(2)));
        assert_eq!(unsettled.settle(12, true), (None, None), "these are not known");
        assert_eq!(unsettled.settle(u64::MAX, true), (None, None));
    }

    /// Deliveries of a consumer without acknowledgements have tags, but are not settled.
    #[test]
    fn a_delivery_that_needs_no_settlement_is_not_counted() {
        let unsettled = with(1..=2);
        unsettled.add(3, None);
        unsettled.add(4, Some(4));
        assert_eq!(unsettled.settle(3, false), (None, None));
        assert_eq!(unsettled.settle(4, true), (Some(4), Some(3)));
        let unsettled = with([]);
        for tag in 1..=3 {
            unsettled.add(tag, None);
        }
        assert!(unsettled.lock().later.is_empty(), "nothing is kept of it");
        unsettled.add(4, Some(4));
        assert_eq!(unsettled.settle(4, true), (Some(4), Some(1)));
    }

    #[test]
    fn zero_is_all_that_there_are() {
        let unsettled = with(1..=3);
        assert_eq!(unsettled.settle(0, true), (None, None), "the client may have prefetched more");
        assert_eq!(unsettled.settle(2, false), (None, None));
        unsettled.add(4, Some(4));
        assert_eq!(unsettled.settle(4, true), (Some(4), Some(1)));
    }

    #[test]
    fn a_recovered_channel_starts_again() {
        let unsettled = with(1..=5);
        unsettled.settle(3, true);
        unsettled.add(1, Some(10));
        unsettled.add(2, Some(20));
        assert_eq!(unsettled.settle(5, false), (None, None), "this one is gone");
        assert_eq!(unsettled.settle(2, true), (Some(20), Some(2)));
        // No delivery of the first connection was settled.
        let unsettled = with(1..=5);
        unsettled.add(1, Some(10));
        assert_eq!(unsettled.settle(1, true), (Some(10), Some(1)));
        assert_eq!(unsettled.settle(5, false), (None, None));
    }

    #[test]
    fn the_oldest_are_forgotten_at_last() {
        let last = MAX_DELIVERIES as u64 + 10;
        let unsettled = with(1..=last);
        assert_eq!(unsettled.lock().later.len(), MAX_DELIVERIES);
        assert_eq!(unsettled.settle(10, false), (None, None));
        assert_eq!(unsettled.settle(11, false), (Some(11), None));
        assert_eq!(unsettled.settle(last, true), (Some(last), None));
    }

    #[test]
    fn settled_deliveries_leave_nothing_behind() {
        let unsettled = with(1..=4);
        for tag in [2, 3, 4, 1] {
            assert_eq!(unsettled.settle(tag, false), (Some(tag), None));
        }
        assert!(unsettled.lock().later.is_empty());
        // In the usual order, the list does not grow.
        let unsettled = with([]);
        for tag in 1..=1000 {
            unsettled.add(tag, Some(tag));
            assert_eq!(unsettled.settle(tag, false), (Some(tag), None));
            assert!(unsettled.lock().later.is_empty());
        }
        assert!(unsettled.lock().later.capacity() < 10);
    }
}
