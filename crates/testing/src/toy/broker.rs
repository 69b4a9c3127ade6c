//! The broker and its client library, without telemetry.

use std::{
    collections::HashMap,
    future::{pending, poll_fn},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// An in-memory broker of topics, which have partitions of records. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Broker(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    partitions: u32,
    stored: Vec<Record>,
    offsets: HashMap<(String, u32), i64>,
    faults: Vec<Fault>,
    waiting: Vec<Waker>,
}

/// A message of this system. Its headers are an ordered list. Names may repeat, and values may be
/// null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The topic that the record is sent to.
    pub topic: String,
    /// The partition. `None` lets the broker choose.
    pub partition: Option<u32>,
    /// The offset in the partition. `None` until the broker stored the record.
    pub offset: Option<i64>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The payload.
    pub body: Vec<u8>,
    /// The headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// Makes a record for `topic`.
    pub fn new(topic: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { topic: topic.into(), body: body.into(), ..Self::default() }
    }
}

/// A fault to inject, and the error that the client then returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no room for the record: the call waits forever.
    Full,
    /// The broker refuses the record.
    Refused,
    /// The broker accepts the record and loses it.
    Lost,
    /// The broker stores the record and never answers.
    Silent,
    /// Receiving fails.
    FetchFailed,
    /// Acknowledging fails.
    AckFailed,
}

/// The result of a send: the stored record, or the fault and the record as it was passed.
pub type SendResult = Result<Record, (Fault, Record)>;

impl Broker {
    /// Makes a broker whose topics have `partitions` partitions each.
    pub fn new(partitions: u32) -> Self {
        Self(Arc::new(Mutex::new(State { partitions, ..State::default() })))
    }

    /// Makes the next call that `fault` applies to fail.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Waits until there is room, and accepts a record.
    ///
    /// Cancel safety: if dropped, the record is not accepted.
    ///
    /// # Errors
    /// Returns [`Fault::Refused`] and the record.
    pub async fn accept(&self, record: Record) -> SendResult {
        if self.meets(Fault::Full) {
            pending::<()>().await;
        }
        if self.meets(Fault::Refused) { Err((Fault::Refused, record)) } else { Ok(record) }
    }

    /// Stores an accepted record, and returns it with its partition and offset.
    ///
    /// Cancel safety: if dropped while it waits for an answer, the record stays stored.
    ///
    /// # Errors
    /// Returns [`Fault::Lost`] and the record.
    pub async fn store(&self, mut record: Record) -> SendResult {
        if self.meets(Fault::Lost) {
            return Err((Fault::Lost, record));
        }
        self.state().add(&mut record);
        if self.meets(Fault::Silent) {
            pending::<()>().await;
        }
        Ok(record)
    }

    /// Waits until these topics have `count` records, and takes all of them at once.
    ///
    /// Cancel safety: if dropped, no record is taken.
    ///
    /// # Errors
    /// Returns [`Fault::FetchFailed`].
    pub async fn take(&self, topics: &[String], count: usize) -> Result<Vec<Record>, Fault> {
        poll_fn(|context| self.poll_take(topics, count, context)).await
    }

    /// Polls for the records that [`take`](Self::take) waits for.
    pub(super) fn poll_take(
        &self,
        topics: &[String],
        count: usize,
        context: &mut Context<'_>,
    ) -> Poll<Result<Vec<Record>, Fault>> {
        if self.meets(Fault::FetchFailed) {
            return Poll::Ready(Err(Fault::FetchFailed));
        }
        let mut state = self.state();
        let is_wanted = |record: &Record| topics.contains(&record.topic);
        if state.stored.iter().filter(|record| is_wanted(record)).count() < count {
            state.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        let wanted = state.stored.extract_if(.., |record| is_wanted(record));
        Poll::Ready(Ok(wanted.take(count).collect()))
    }

    /// Acknowledges a record that was taken. The broker then forgets it.
    ///
    /// # Errors
    /// Returns [`Fault::AckFailed`].
    pub fn forget(&self, _: &Record) -> Result<(), Fault> {
        if self.meets(Fault::AckFailed) { Err(Fault::AckFailed) } else { Ok(()) }
    }

    fn meets(&self, fault: Fault) -> bool {
        let faults = &mut self.state().faults;
        let next = faults.iter().position(|&other| other == fault);
        next.map(|next| faults.remove(next)).is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, record: &mut Record) {
        let partition = record.partition.unwrap_or(self.partitions - 1);
        let next = self.offsets.entry((record.topic.clone(), partition)).or_default();
        record.partition = Some(partition);
        record.offset = Some(*next);
        *next += 1;
        self.stored.push(record.clone());
        self.waiting.drain(..).for_each(Waker::wake);
    }
}
