//! What happened to each message of one broker, and how often the application did what.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// So many messages are remembered: enough for all that can be on their way. What leaves the window
/// is judged then, so that the ledger does not grow.
const WINDOW: usize = 30_000;
/// So many problems are written out.
const MAX_PROBLEMS: usize = 10;

/// The account of one broker's messages.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of the first message in the window.
    first: u64,
    window: VecDeque<Entry>,
    totals: Totals,
    /// Confirmed messages that have not arrived yet.
    missing: u64,
    /// Whether all messages that will be sent have been answered.
    is_sent: bool,
    /// Even while the broker runs, and another number after each kill.
    epoch: u32,
    problems: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The epoch in which it was sent.
    epoch: u32,
    is_confirmed: bool,
    delivered: Option<Delivered>,
}

/// Where a message that came is stored, if that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Delivered {
    place: Option<u64>,
}

/// What the application did, and what it got.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Messages that it tried to send.
    pub(crate) offered: u64,
    /// Of these: the broker has them, the client returned an error, or the future was dropped.
    pub(crate) confirmed: u64,
    pub(crate) failed: u64,
    pub(crate) unknown: u64,
    /// Different messages that came, and those that came again.
    pub(crate) delivered: u64,
    pub(crate) again: u64,
    /// Calls that returned a message or a batch, and those that returned an error.
    pub(crate) receives: u64,
    pub(crate) receive_failures: u64,
    /// Handlers that started to work, and the messages they worked on.
    pub(crate) processes: u64,
    pub(crate) processed: u64,
    /// Settlements that started.
    pub(crate) settlements: u64,
    /// Problems, also those that are not written out.
    pub(crate) problems: u64,
}

/// What became of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Confirmed,
    Failed,
    /// Nobody waited for the answer.
    Unknown,
}

impl Answer {
    pub(crate) fn of<T, E>(result: &Result<T, E>) -> Self {
        if result.is_ok() { Self::Confirmed } else { Self::Failed }
    }
}

impl Ledger {
    /// Enters a message that is about to be sent, and returns its number.
    pub(crate) fn offer(&self) -> u64 {
        let mut state = self.lock();
        state.totals.offered += 1;
        let entry = Entry { epoch: state.epoch, is_confirmed: false, delivered: None };
        state.window.push_back(entry);
        if state.window.len() > WINDOW {
            let (first, entry) = (state.first, state.window.pop_front());
            state.first += 1;
            if entry.is_some_and(|entry| entry.is_confirmed && entry.delivered.is_none()) {
                state.problem(format!("message {first} was confirmed long ago and never came"));
            }
        }
        state.first + state.window.len() as u64 - 1
    }

    pub(crate) fn answered(&self, id: u64, answer: Answer) {
        let mut state = self.lock();
        match answer {
            Answer::Confirmed => state.totals.confirmed += 1,
            Answer::Failed => state.totals.failed += 1,
            Answer::Unknown => state.totals.unknown += 1,
        }
        if answer == Answer::Confirmed
            && let Some(entry) = state.entry(id)
        {
            entry.is_confirmed = true;
            let is_missing = entry.delivered.is_none();
            state.missing += u64::from(is_missing);
        }
    }

    /// Enters a message that was handed to the application. `place` is where the broker stores it,
    /// if that is known. `is_flagged` says that the broker has said that it comes again.
    pub(crate) fn delivered(&self, id: u64, place: Option<u64>, is_flagged: bool) {
        let mut state = self.lock();
        let epoch = state.epoch;
        let Some(entry) = state.entry(id) else {
            state.totals.again += 1;
            if !is_flagged {
                state.problem(format!("message {id} came very late, or was never sent"));
            }
            return;
        };
        let (now, sent) = (Delivered { place }, entry.epoch);
        let Some(last) = entry.delivered.replace(now) else {
            let was_missing = entry.is_confirmed;
            state.missing -= u64::from(was_missing);
            state.totals.delivered += 1;
            return;
        };
        state.totals.again += 1;
        // A broker that was killed may have forgotten what it had delivered before. The client may
        // hand that out much later.
        let may_come_again = is_flagged || sent != epoch || !epoch.is_multiple_of(2);
        if !may_come_again || last != now {
            state.problem(format!("message {id} is there twice: {last:?}, {now:?}"));
        }
    }

    /// Adds to the totals.
    pub(crate) fn count(&self, add: impl FnOnce(&mut Totals)) {
        add(&mut self.lock().totals);
    }

    /// Says that the broker is about to be killed, or that it is back.
    pub(crate) fn turn(&self) {
        self.lock().epoch += 1;
    }

    /// Returns whether the broker runs.
    pub(crate) fn is_calm(&self) -> bool {
        self.lock().epoch.is_multiple_of(2)
    }

    pub(crate) fn problem(&self, text: String) {
        self.lock().problem(text);
    }

    /// Says that nothing more will be sent.
    pub(crate) fn sent(&self) {
        self.lock().is_sent = true;
    }

    /// Returns whether nothing more will be sent, and all that was confirmed has come.
    pub(crate) fn is_complete(&self) -> bool {
        let state = self.lock();
        state.is_sent && state.missing == 0
    }

    pub(crate) fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Returns how many confirmed messages have not come.
    pub(crate) fn missing(&self) -> u64 {
        self.lock().missing
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        self.lock().problems.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn entry(&mut self, id: u64) -> Option<&mut Entry> {
        let index = id.checked_sub(self.first)?;
        self.window.get_mut(usize::try_from(index).ok()?)
    }

    fn problem(&mut self, text: String) {
        self.totals.problems += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_confirmed_has_to_come() {
        let ledger = Ledger::default();
        let ids = [ledger.offer(), ledger.offer()];
        ledger.answered(ids[0], Answer::Confirmed);
        ledger.answered(ids[1], Answer::Failed);
        ledger.sent();
        assert!(!ledger.is_complete());
        ledger.delivered(ids[0], None, false);
        assert!(ledger.is_complete());
        for _ in 0..WINDOW {
            ledger.offer();
        }
        assert_eq!(ledger.problems(), [""; 0]);
        ledger.answered(2, Answer::Confirmed);
        ledger.offer();
        assert_eq!(ledger.problems(), ["message 2 was confirmed long ago and never came"]);
    }

    #[test]
    fn a_message_comes_again_only_for_a_reason() {
        for (is_flagged, is_killed, place, is_problem) in [
            (false, false, 1, true),
            (true, false, 1, false),
            (false, true, 1, false),
            // Stored twice.
            (true, true, 2, true),
        ] {
            let ledger = Ledger::default();
            let id = ledger.offer();
            ledger.delivered(id, Some(1), false);
            if is_killed {
                ledger.turn();
            }
            ledger.delivered(id, Some(place), is_flagged);
            assert_eq!(ledger.totals().problems, u64::from(is_problem));
            assert_eq!((ledger.totals().delivered, ledger.totals().again), (1, 1));
        }
    }
}
