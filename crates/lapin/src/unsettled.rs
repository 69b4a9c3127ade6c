//! Which deliveries of a channel wait for their settlement.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use otel_messaging_core::Received;

use crate::acker::Settled;

/// Deliveries that are remembered; when there are more, the oldest are forgotten.
const MAX_DELIVERIES: usize = 4096;

/// The deliveries of a channel that were handed to the application and are not settled, by their
/// tags: so that a tag can be settled as the message that it stands for, and several be counted.
#[derive(Debug, Default)]
pub(crate) struct Unsettled(Mutex<Tags>);

#[derive(Debug, Default)]
struct Tags {
    /// Every delivery up to this one is settled.
    done: u64,
    /// Those beyond that are known; nothing where one is settled before those below it are.
    beyond: BTreeMap<u64, Option<Arc<Received<Settled>>>>,
}

impl Unsettled {
    /// A delivery was handed over, and waits for its settlement if there is `settled`.
    pub(crate) fn add(&self, tag: u64, settled: Option<Arc<Received<Settled>>>) {
        let mut tags = self.lock();
        // A channel that was recovered counts from the beginning.
        if tag <= tags.done || tags.beyond.contains_key(&tag) {
            *tags = Tags { done: tag.saturating_sub(1), ..Tags::default() };
        }
        if tags.beyond.len() >= MAX_DELIVERIES {
            tags.beyond.pop_first();
        }
        tags.beyond.insert(tag, settled);
        tags.advance();
    }

    /// A delivery is settled: which message it was, if that is known.
    pub(crate) fn take(&self, tag: u64) -> Option<Arc<Received<Settled>>> {
        let mut tags = self.lock();
        let settled = tags.beyond.get_mut(&tag)?.take();
        tags.advance();
        settled
    }

    /// A delivery and all before it are settled: which message it was, and how many they are, if
    /// that is known: not if there are some that nobody saw, prefetched for another consumer.
    pub(crate) fn take_up_to(&self, tag: u64) -> (Option<Arc<Received<Settled>>>, Option<u64>) {
        let mut tags = self.lock();
        let beyond = tags.beyond.split_off(&tag.saturating_add(1));
        let mut taken = mem::replace(&mut tags.beyond, beyond);
        let all_known = tag.checked_sub(tags.done) == Some(taken.len() as u64);
        let count = taken.values().flatten().count() as u64;
        tags.done = tags.done.max(tag);
        tags.advance();
        (taken.remove(&tag).flatten(), all_known.then_some(count))
    }

    fn lock(&self) -> MutexGuard<'_, Tags> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tags {
    fn advance(&mut self) {
        while let Some(first) = self.beyond.first_entry()
            && *first.key() == self.done + 1
            && first.get().is_none()
        {
            self.done += 1;
            first.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use lapin::message as bare;
    use otel_messaging_core::{Endpoint, Instrumentation};

    use super::*;
    use crate::{message::Source, semconv};

    fn settled(tag: u64) -> Arc<Received<Settled>> {
        let endpoint =
            Endpoint::builder(semconv::SYSTEM).build(&Instrumentation::builder().build());
        let source = Arc::new(Source::new("q".into(), endpoint, Arc::default()));
        let delivery = bare::Delivery::mock(tag, "".into(), "q".into(), false, Vec::new());
        let received = source.hold(delivery);
        Arc::new(received.map_ref(Settled::of))
    }

    fn with(tags: impl IntoIterator<Item = u64>) -> Unsettled {
        let unsettled = Unsettled::default();
        tags.into_iter().for_each(|tag| unsettled.add(tag, Some(settled(tag))));
        unsettled
    }

    #[test]
    fn several_are_counted_if_none_is_missing() {
        assert_eq!(with(1..=5).take_up_to(5).1, Some(5));
        assert_eq!(with([1, 3]).take_up_to(3).1, None, "nobody saw the second one");
        assert_eq!(with(2..=3).take_up_to(3).1, None, "nor the first");
        let unsettled = with(1..=9);
        assert!(unsettled.take(2).is_some());
        assert!(unsettled.take(2).is_none());
        assert_eq!(unsettled.take_up_to(4).1, Some(3));
        assert_eq!(unsettled.take_up_to(4).1, Some(0), "that was all");
        assert_eq!(unsettled.take_up_to(6).1, Some(2));
        unsettled.add(10, None);
        assert_eq!(unsettled.take_up_to(10).1, Some(3), "one was settled by being delivered");
        assert_eq!(unsettled.take_up_to(11).1, None);
        assert_eq!(unsettled.take_up_to(0).1, None);
        assert_eq!(unsettled.take_up_to(u64::MAX).1, None);
    }

    #[test]
    fn a_recovered_channel_counts_from_the_beginning() {
        let unsettled = with(1..=5);
        unsettled.take_up_to(3);
        for tag in 1..=2 {
            unsettled.add(tag, Some(settled(tag)));
        }
        assert_eq!(unsettled.take_up_to(2).1, Some(2));
        let unsettled = with(1..=5);
        unsettled.add(1, Some(settled(1)));
        assert_eq!(unsettled.take_up_to(1).1, Some(1));
    }

    #[test]
    fn the_oldest_are_forgotten_at_last() {
        let unsettled = Unsettled::default();
        let settled = settled(1);
        for tag in 1..=(MAX_DELIVERIES as u64 + 10) {
            unsettled.add(tag, Some(Arc::clone(&settled)));
        }
        assert_eq!(unsettled.lock().beyond.len(), MAX_DELIVERIES);
        assert!(unsettled.take(1).is_none());
        assert_eq!(unsettled.take_up_to(20).1, None);
    }
}
