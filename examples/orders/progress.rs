//! How far the orders have come: what the services tell each other beside Kafka.

use crate::failure::Failure;
use std::{fmt, sync::Mutex, time::Duration};
use tokio::{
    sync::{Semaphore, SemaphorePermit, watch},
    time,
};

/// A partition of the embedded Kafka keeps five megabytes and drops what is older, read or not.
const ROOM: usize = 3 << 20;

/// Counts of messages, and room for orders on their way.
#[derive(Debug)]
pub(crate) struct Progress {
    counts: watch::Sender<Counts>,
    room: Semaphore,
    /// What Kafka complained about last; clients try again by themselves, until the deadline.
    complaint: Mutex<Option<String>>,
}

/// How many orders have come how far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) forwarded: u64,
    pub(crate) billed: u64,
    pub(crate) booked: u64,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            counts: watch::Sender::default(),
            room: Semaphore::new(ROOM),
            complaint: Mutex::default(),
        }
    }

    /// Waits until an order of this size may be under way.
    pub(crate) async fn room_for(&self, bytes: usize) -> Result<(), Failure> {
        let permits = self.room.acquire_many(u32::try_from(bytes).unwrap_or(u32::MAX)).await;
        permits.map(SemaphorePermit::forget).map_err(|error| Failure::new(error.to_string()))
    }

    /// An order of this size is no longer under way.
    pub(crate) fn give_room(&self, bytes: usize) {
        self.room.add_permits(bytes);
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Waits until everything that was sent has been billed, and everything forwarded booked.
    pub(crate) async fn all_done(&self) {
        let is_done =
            |counts: &Counts| counts.billed >= counts.sent && counts.booked >= counts.forwarded;
        // The sender is `self`: it cannot be gone.
        let _ = self.counts.subscribe().wait_for(is_done).await;
    }

    /// Waits until nothing has moved for so long.
    pub(crate) async fn standstill(&self, patience: Duration) {
        let mut counts = self.counts.subscribe();
        while let Ok(Ok(())) = time::timeout(patience, counts.changed()).await {}
    }

    pub(crate) fn complain(&self, error: impl fmt::Display) {
        if let Ok(mut complaint) = self.complaint.lock() {
            *complaint = Some(error.to_string());
        }
    }
}

/// What a person wants to know when it got stuck.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { sent, forwarded, billed, booked } = self.counts();
        write!(f, "{sent} orders sent, {billed} of them billed; ")?;
        write!(f, "{forwarded} invoices sent, {booked} of them booked")?;
        match self.complaint.lock().ok().as_ref().and_then(|complaint| complaint.as_ref()) {
            Some(complaint) => write!(f, " (the last thing Kafka said: {complaint})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_done_when_everything_has_been_billed_and_booked() {
        let progress = Progress::new();
        progress.all_done().await;
        progress.count(|counts| (counts.sent, counts.forwarded) = (2, 2));
        let later = async {
            progress.count(|counts| counts.booked = 2);
            progress.count(|counts| counts.billed = 2);
        };
        tokio::join!(progress.all_done(), later);
    }

    #[tokio::test]
    async fn a_standstill_is_what_follows_the_last_change() {
        let progress = Progress::new();
        let patience = Duration::from_secs(2);
        let start = time::Instant::now();
        let work = async {
            for _ in 0..3 {
                time::sleep(Duration::from_millis(100)).await;
                progress.count(|counts| counts.sent += 1);
            }
        };
        tokio::join!(progress.standstill(patience), work);
        assert!(start.elapsed() >= Duration::from_millis(2300), "{:?}", start.elapsed());
        assert_eq!(progress.counts().sent, 3);
    }

    #[test]
    fn it_tells_where_things_are_and_what_kafka_said() {
        let progress = Progress::new();
        progress.count(|counts| (counts.sent, counts.billed) = (7, 3));
        let text = "7 orders sent, 3 of them billed; 0 invoices sent, 0 of them booked";
        assert_eq!(progress.to_string(), text);
        progress.complain("AllBrokersDown");
        let text = format!("{text} (the last thing Kafka said: AllBrokersDown)");
        assert_eq!(progress.to_string(), text);
    }
}
