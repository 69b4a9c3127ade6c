//! The broker and its bare client library: no telemetry here.

use std::{
    collections::HashMap,
    future::{pending, poll_fn},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// A broker in memory: topics of partitions of records. Cheap to clone.
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

/// A message of this system. Headers are an ordered list, in which names may repeat and values may
/// be null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The destination.
    pub topic: String,
    /// The partition; `None` lets the broker choose.
    pub partition: Option<u32>,
    /// The offset in the partition, once it is stored.
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

/// A fault of the next call that can meet it, and the client's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no room for a record: the call waits for ever.
    Full,
    /// A record is refused before it is accepted.
    Refused,
    /// A record that was accepted is lost.
    Lost,
    /// A record is stored, and the answer never comes.
    Silent,
    /// Receiving fails.
    FetchFailed,
    /// Acknowledging fails.
    AckFailed,
}

/// The result of a send: the record as it was stored, or as it was given.
pub type SendResult = Result<Record, (Fault, Record)>;

impl Broker {
    /// Makes a broker whose topics have so many partitions each.
    pub fn new(partitions: u32) -> Self {
        Self(Arc::new(Mutex::new(State { partitions, ..State::default() })))
    }

    /// Makes the next call that can meet `fault` do so.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Accepts a record, when there is room.
    ///
    /// # Errors
    /// [`Fault::Refused`] with the record.
    pub async fn accept(&self, record: Record) -> SendResult {
        if self.meets(Fault::Full) {
            pending::<()>().await;
        }
        if self.meets(Fault::Refused) { Err((Fault::Refused, record)) } else { Ok(record) }
    }

    /// Stores a record that was accepted, and returns it with its place.
    ///
    /// # Errors
    /// [`Fault::Lost`] with the record.
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

    /// Waits until there are `count` records of these topics, and takes them together.
    ///
    /// # Errors
    /// [`Fault::FetchFailed`].
    pub async fn take(&self, topics: &[String], count: usize) -> Result<Vec<Record>, Fault> {
        poll_fn(|context| self.poll_take(topics, count, context)).await
    }

    /// Polls for what [`take`](Self::take) waits for.
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

    /// Forgets a record that was taken.
    ///
    /// # Errors
    /// [`Fault::AckFailed`].
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
