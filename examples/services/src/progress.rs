//! How far a service has come with the day's orders.

use crate::say;
use std::{
    fmt, mem,
    sync::{Mutex, PoisonError},
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

    /// One more order is done.
    pub(crate) fn one_more(&self) {
        self.done.send_modify(|done| *done += 1);
    }

    /// So many orders are done.
    pub(crate) fn so_many(&self, orders: u64) {
        self.done.send_if_modified(|done| mem::replace(done, orders) != orders);
    }

    pub(crate) fn complain(&self, error: impl fmt::Display) {
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
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
        match &*self.complaint.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(complaint) => write!(f, " (the last thing a broker said: {complaint})"),
            None => Ok(()),
        }
    }
}
