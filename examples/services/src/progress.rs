//! How far a service has come with the day's orders.

use crate::say;
use std::{
    fmt, mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time};

/// A person wants to know that often.
const REPORT: Duration = Duration::from_secs(1);

/// A count of orders that are done.
#[derive(Debug)]
pub(crate) struct Progress {
    orders: u64,
    done: watch::Sender<u64>,
    /// What a broker complained about last; clients try again by themselves.
    complaint: Mutex<Option<String>>,
}

impl Progress {
    pub(crate) fn new(orders: u64) -> Self {
        Self { orders, done: watch::Sender::default(), complaint: Mutex::default() }
    }

    /// One more order is done: whatever was complained about is over.
    pub(crate) fn one_more(&self) {
        *self.complaint() = None;
        self.done.send_modify(|done| *done += 1);
    }

    /// So many orders are done.
    pub(crate) fn so_many(&self, orders: u64) {
        self.done.send_if_modified(|done| mem::replace(done, orders) != orders);
    }

    pub(crate) fn complain(&self, error: impl fmt::Display) {
        *self.complaint() = Some(error.to_string());
    }

    fn complaint(&self) -> MutexGuard<'_, Option<String>> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how far things are, until nothing has moved for so long.
    pub(crate) async fn standstill(&self, patience: Duration) {
        let mut done = self.done.subscribe();
        while let Ok(Ok(())) = time::timeout(patience, done.changed()).await {
            say(&self.to_string());
            time::sleep(REPORT).await;
        }
    }
}

/// What a person wants to know, most of all when it got stuck.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} orders", *self.done.borrow(), self.orders)?;
        match &*self.complaint() {
            Some(complaint) => write!(f, " (the last thing a broker said: {complaint})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_what_was_said_last_until_things_move() {
        let progress = Progress::new(3);
        progress.one_more();
        progress.complain("no responders");
        let text = "1 of 3 orders (the last thing a broker said: no responders)";
        assert_eq!(progress.to_string(), text);
        progress.one_more();
        assert_eq!(progress.to_string(), "2 of 3 orders");
    }

    #[tokio::test]
    async fn a_standstill_is_what_follows_the_last_change() {
        let progress = Progress::new(3);
        let patience = Duration::from_secs(1);
        progress.so_many(2);
        let unchanged = time::Instant::now();
        let looks = async {
            for _ in 0..100 {
                time::sleep(Duration::from_millis(50)).await;
                progress.so_many(2);
            }
        };
        tokio::select! {
            () = progress.standstill(patience) => {}
            () = looks => panic!("a look at what has not changed is no progress"),
        }
        assert!(unchanged.elapsed() >= patience, "{:?}", unchanged.elapsed());

        let work = async {
            time::sleep(patience / 2).await;
            progress.one_more();
        };
        let changed = time::Instant::now();
        tokio::join!(progress.standstill(patience), work);
        assert!(changed.elapsed() >= patience * 3 / 2, "{:?}", changed.elapsed());
    }
}
