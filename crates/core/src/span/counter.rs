//! The counter of messages, which the SDK is told when it collects.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Meter},
};

/// Callbacks that a process registers: providers have no way to remove one.
const MAX_CALLBACKS: usize = 256;
/// The name of the instrument whose callback is called at a collection. It observes nothing, so that
/// there is no such metric.
const CALLBACK: &str = "messaging.client.collection";

/// A counter of messages. It adds up the messages of each series in an atomic number, and tells the
/// SDK the sums when it collects, before it reads its own counter: the SDK's addition looks the
/// series up by all attributes, which takes as long as a span that is not sampled.
///
/// A meter that keeps no callbacks is told each addition.
#[derive(Debug)]
pub(crate) struct MessageCounter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    counter: Counter<u64>,
    /// Whether the SDK collects the sums.
    collects: AtomicBool,
    sums: Mutex<Vec<Arc<Sum>>>,
}

/// The messages of one series that the SDK was not told yet.
#[derive(Debug)]
pub(crate) struct Sum {
    messages: AtomicU64,
    attributes: Vec<KeyValue>,
}

impl MessageCounter {
    pub(crate) fn new(meter: &Meter, counter: Counter<u64>) -> Self {
        static CALLBACKS: AtomicUsize = AtomicUsize::new(0);
        let (collects, sums) = (AtomicBool::new(false), Mutex::default());
        let shared = Arc::new(Shared { counter, collects, sums });
        if CALLBACKS.fetch_add(1, Ordering::Relaxed) < MAX_CALLBACKS {
            let collecting = Arc::clone(&shared);
            meter
                .u64_observable_counter(CALLBACK)
                .with_callback(move |_| collecting.flush())
                .build();
            // A meter without callbacks has dropped this one.
            let is_kept = Arc::strong_count(&shared) > 1;
            shared.collects.store(is_kept, Ordering::Relaxed);
        } else {
            CALLBACKS.fetch_sub(1, Ordering::Relaxed);
        }
        Self(shared)
    }

    /// Adds messages at once.
    pub(crate) fn add(&self, messages: u64, attributes: &[KeyValue]) {
        self.0.counter.add(messages, attributes);
    }

    /// Returns whether sums are collected: if not, messages are added at once.
    pub(crate) fn collects(&self) -> bool {
        self.0.collects.load(Ordering::Relaxed)
    }

    /// Makes a sum that the SDK is told at each collection, as long as there is any other handle of
    /// it, and once more after that.
    pub(crate) fn sum(&self, attributes: &[KeyValue]) -> Arc<Sum> {
        let sum = Arc::new(Sum { messages: AtomicU64::new(0), attributes: attributes.to_vec() });
        let mut sums = self.0.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.push(Arc::clone(&sum));
        sum
    }
}

impl Sum {
    pub(crate) fn add(&self, messages: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
    }
}

impl Shared {
    fn flush(&self) {
        let tell = |sum: &Sum| {
            // Most have nothing new, and reading is cheap.
            if sum.messages.load(Ordering::Relaxed) > 0 {
                self.counter.add(sum.messages.swap(0, Ordering::Relaxed), &sum.attributes);
            }
        };
        let tell_all = || {
            let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
            sums.retain(|sum| {
                // Looked at first: what is added before the other handle goes is told.
                let is_used = Arc::strong_count(sum) > 1;
                tell(sum);
                is_used
            });
        };
        // A panic would reach the SDK. The next addition shows it where it is reported.
        if catch_unwind(AssertUnwindSafe(tell_all)).is_err() {
            self.collects.store(false, Ordering::Relaxed);
        }
    }
}
