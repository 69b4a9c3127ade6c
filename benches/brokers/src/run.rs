//! Runs the messages of one mode: warm-up, then the measured ones, at full speed or at a rate.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};

use crate::measure::{Measured, Meter};

/// The size of a message's body. The first eight bytes are the time at which it was sent.
const BODY: usize = 100;
/// How many messages may wait at most for a consumer that runs beside its producer.
const BACKLOG: usize = 10_000;

/// The messages of one mode.
pub(crate) struct Run {
    /// The numbers of messages that are left to run, in phases.
    phases: Vec<usize>,
    pub(crate) pace: Pace,
    /// How many messages were received, for the producer beside this consumer.
    received: Arc<AtomicUsize>,
    latencies: Option<Vec<u64>>,
    meter: Meter,
    /// Sends the messages that this run receives.
    feeder: Option<Box<dyn FnOnce() + Send>>,
}

/// When the next message is sent.
pub(crate) struct Pace {
    rate: Option<f64>,
    start: Option<Instant>,
    sent: usize,
    received: Option<Arc<AtomicUsize>>,
    /// How many messages may wait to be received.
    backlog: usize,
    /// The time of the last look at the clock.
    now: u64,
}

impl Run {
    /// Makes a run of `warm_up` and then `messages` messages, at full speed.
    pub(crate) fn new(warm_up: usize, messages: usize, counts_allocations: bool) -> Self {
        Self {
            phases: vec![messages, warm_up],
            pace: Pace {
                rate: None,
                start: None,
                sent: 0,
                received: None,
                // What waits when the measurement begins has to be little of what is measured.
                backlog: BACKLOG.min(messages / 20).max(1),
                now: 0,
            },
            received: Arc::default(),
            latencies: None,
            meter: Meter::new(messages, counts_allocations),
            feeder: None,
        }
    }

    /// Records the time from sending a message to its processing.
    pub(crate) fn with_latencies(mut self) -> Self {
        self.latencies = Some(Vec::with_capacity(self.phases[0]));
        self
    }

    /// Makes the run that sends what this one receives.
    pub(crate) fn feeder(&self, rate: Option<usize>) -> Self {
        let mut feeder = Self::new(self.phases[1], self.phases[0], false);
        feeder.pace.rate = rate.map(|rate| rate as f64);
        feeder.pace.received = Some(Arc::clone(&self.received));
        feeder
    }

    /// Sets what sends the messages. It runs in a thread of its own, which is not measured.
    pub(crate) fn fed_by(&mut self, feeder: impl FnOnce() + Send + 'static) {
        self.feeder = Some(Box::new(feeder));
    }

    /// Says that the consumer is ready to receive.
    pub(crate) fn ready(&mut self) {
        if let Some(feeder) = self.feeder.take() {
            self.meter.exclude_thread(feeder);
        }
    }

    /// Returns the number of messages to run next: those of the warm-up first. Measures from the
    /// second call to the third, which returns `None`.
    pub(crate) fn next_phase(&mut self) -> Option<usize> {
        let phase = self.phases.pop();
        match (&phase, self.phases.len()) {
            (Some(_), 0) => self.meter.start(),
            (None, _) => self.meter.stop(),
            _ => {}
        }
        phase
    }

    /// Takes the place of the application's work on a received message.
    pub(crate) fn work(&mut self, body: &[u8]) {
        black_box(body);
        self.received.fetch_add(1, Ordering::Relaxed);
        if let (Some(latencies), true) = (&mut self.latencies, self.phases.is_empty())
            && let Some(sent) = body.first_chunk()
        {
            latencies.push(now().saturating_sub(u64::from_le_bytes(*sent)));
        }
    }

    /// Returns what was measured.
    pub(crate) fn finish(self) -> Measured {
        let mut measured = self.meter.finish();
        if let Some(mut latencies) = self.latencies {
            latencies.sort_unstable();
            let percentile = |percent: usize| {
                latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default()
            };
            measured.p50_ns = percentile(50);
            measured.p99_ns = percentile(99);
        }
        measured
    }
}

impl Pace {
    /// Waits until the next message is due, and returns its body. Blocks the thread.
    pub(crate) fn wait(&mut self) -> [u8; BODY] {
        while !self.is_due() {
            thread::sleep(Duration::from_micros(100));
        }
        self.body()
    }

    /// Waits until the next message is due, and returns its body.
    pub(crate) async fn due(&mut self) -> Bytes {
        while !self.is_due() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Bytes::copy_from_slice(&self.body())
    }

    fn is_due(&mut self) -> bool {
        let is_behind = |received: &Arc<AtomicUsize>| {
            self.sent.saturating_sub(received.load(Ordering::Relaxed)) >= self.backlog
        };
        let Some(rate) = self.rate else {
            return !self.received.as_ref().is_some_and(is_behind);
        };
        let start = *self.start.get_or_insert_with(Instant::now);
        let due = start.elapsed().as_secs_f64() * rate;
        if (self.sent as f64) < due {
            return true;
        }
        self.now = 0;
        false
    }

    /// A message that is late because the one before it took long counts as sent when the burst
    /// that it belongs to was due.
    fn body(&mut self) -> [u8; BODY] {
        if self.rate.is_some() && self.now == 0 {
            self.now = now();
        }
        self.sent += 1;
        let mut body = [0; BODY];
        body[..8].copy_from_slice(&self.now.to_le_bytes());
        body
    }
}

/// Returns the nanoseconds of a clock that all threads share.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or_default()
}
