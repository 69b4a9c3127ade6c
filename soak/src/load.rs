//! What the loads of all brokers share: their account, and how long they go on.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use opentelemetry::TraceId;
use otel_messaging::otel::CreationContext;
use tokio::sync::Notify;

use crate::{
    ledger::{Answer, Ledger},
    note::Note,
    telemetry::Telemetry,
};

const SENDING: u8 = 0;
const RECEIVING: u8 = 1;
const OVER: u8 = 2;

/// The load on one broker.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) broker: &'static str,
    pub(crate) endpoint: String,
    pub(crate) ledger: Ledger,
    pub(crate) telemetry: Telemetry,
    /// Notified when the load has begun: before, its broker may not be killed.
    pub(crate) is_ready: Notify,
    random: Mutex<Rng>,
    phase: AtomicU8,
}

/// How a message has to be when it arrives.
pub(crate) struct Arrived<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) creation: &'a CreationContext,
    /// How many headers are called `traceparent`, in any case.
    pub(crate) traceparents: usize,
    pub(crate) place: Option<u64>,
    pub(crate) is_flagged: bool,
}

impl Load {
    pub(crate) fn new(broker: &'static str, endpoint: &str, random: Rng) -> Self {
        Self {
            broker,
            endpoint: endpoint.to_owned(),
            ledger: Ledger::default(),
            telemetry: Telemetry::new(),
            is_ready: Notify::new(),
            random: Mutex::new(random),
            phase: AtomicU8::new(SENDING),
        }
    }

    /// Makes the random choices of one task.
    pub(crate) fn random(&self) -> Rng {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }

    pub(crate) fn stop_sending(&self) {
        self.phase.store(RECEIVING, Ordering::Relaxed);
    }

    pub(crate) fn stop_receiving(&self) {
        self.phase.store(OVER, Ordering::Relaxed);
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == SENDING
    }

    pub(crate) fn is_receiving(&self) -> bool {
        self.phase.load(Ordering::Relaxed) != OVER
    }

    /// Enters messages that are about to be sent in one trace.
    pub(crate) fn offer(&self, count: usize, random: &mut Rng) -> Vec<Note> {
        let trace = TraceId::from(random.u128(1..));
        let note = |_| Note { id: self.ledger.offer(), trace, seed: random.u64(..) };
        (0..count).map(note).collect()
    }

    /// Enters the answers to messages: as many as there are, or none if the future was dropped.
    pub(crate) fn answered<T, E, O>(&self, notes: &[Note], answers: Result<Vec<Result<T, E>>, O>) {
        let answers = answers.unwrap_or_default();
        for (index, note) in notes.iter().enumerate() {
            self.ledger.answered(note.id, answers.get(index).map_or(Answer::Unknown, Answer::of));
        }
    }

    /// Enters a message that was handed to the application. `others` tells whether all its headers
    /// but those of the context are as they were sent.
    pub(crate) fn arrived(&self, message: &Arrived<'_>, others: impl FnOnce(&Note) -> bool) {
        let Some(note) = Note::parse(message.body) else {
            self.ledger.problem(format!("a body is {}", message.body.escape_ascii()));
            return;
        };
        if message.traceparents != 1 {
            let count = message.traceparents;
            self.ledger.problem(format!("message {} has {count} traceparents", note.id));
        }
        if message.creation.span_context().trace_id() != note.trace {
            let creation = message.creation.span_context();
            self.ledger.problem(format!("message {note} carries {creation:?}"));
        }
        if !others(&note) {
            self.ledger.problem(format!("other headers of message {note} have changed"));
        }
        self.ledger.delivered(note.id, message.place, message.is_flagged);
    }

    /// Enters a handler that starts to work on messages.
    pub(crate) fn processes(&self, messages: usize) {
        self.ledger.count(|totals| {
            totals.processes += 1;
            totals.processed += messages as u64;
        });
    }

    pub(crate) fn receives(&self) {
        self.ledger.count(|totals| totals.receives += 1);
    }

    pub(crate) fn fails_to_receive(&self) {
        self.ledger.count(|totals| totals.receive_failures += 1);
    }

    pub(crate) fn settles(&self) {
        self.ledger.count(|totals| totals.settlements += 1);
    }

    pub(crate) fn progress(&self) -> String {
        let totals = self.ledger.totals();
        format!("{}: {} confirmed, {} came", self.broker, totals.confirmed, totals.delivered)
    }
}

/// The handler of a message: some work, over several polls.
pub(crate) async fn work(random: &mut Rng) -> Result<(), std::fmt::Error> {
    for _ in 0..random.u8(..3) {
        tokio::task::yield_now().await;
    }
    if random.u8(..) == 0 { Err(std::fmt::Error) } else { Ok(()) }
}

/// A moment, at which a future may be dropped.
pub(crate) fn moment(random: &mut Rng) -> Duration {
    Duration::from_micros(random.u64(..3_000))
}

/// Rests between two operations, so that the load leaves the machine some time.
pub(crate) async fn rest(random: &mut Rng) {
    tokio::time::sleep(Duration::from_millis(random.u64(..30))).await;
}
