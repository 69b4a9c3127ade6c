//! What happened to a received message so far.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
};

use opentelemetry::{
    SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceState},
};

/// It was counted as consumed.
const COUNTED: u8 = 1;
/// A span that processes it is being remembered.
const CLAIMED: u8 = 2;
/// There is a copy: the progress is in `shared` from here on.
const SHARED: u8 = 4;

/// What happened to a message so far: whether it was counted, and the first span that processed it.
///
/// Every message of a batch goes through this, so it has no lock: marking a message is one atomic
/// exchange.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    state: AtomicU8,
    processed: ProcessedBy,
    shared: OnceLock<Arc<Self>>,
}

impl Progress {
    /// Returns the progress of a copy of the message, which is that of the message.
    pub(crate) fn share(&self) -> Self {
        self.state.fetch_or(SHARED, Ordering::AcqRel);
        let shared = OnceLock::from(Arc::clone(self.shared()));
        Self { state: AtomicU8::new(SHARED), shared, ..Self::default() }
    }

    /// Marks the message as counted, and remembers the first span that processed it. Returns
    /// whether it was not counted before.
    pub(crate) fn count(&self, processed_by: Option<&SpanContext>) -> bool {
        let marks = if processed_by.is_some() { COUNTED | CLAIMED } else { COUNTED };
        let mut before = self.state.load(Ordering::Acquire);
        loop {
            if before & SHARED != 0 {
                return self.shared().count(processed_by);
            }
            if before & marks == marks {
                break;
            }
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            match self.state.compare_exchange(before, before | marks, success, failure) {
                Ok(_) => break,
                Err(other) => before = other,
            }
        }
        if let Some(span) = processed_by.filter(|_| before & CLAIMED == 0) {
            self.processed.set(span);
        }
        before & COUNTED == 0
    }

    /// Returns the first span that processed the message.
    pub(crate) fn processed_by(&self) -> Option<SpanContext> {
        if self.state.load(Ordering::Acquire) & SHARED == 0 {
            self.processed.get()
        } else {
            self.shared().processed_by()
        }
    }

    /// Own marks do not change once the state is `SHARED`, so that any thread copies the same.
    fn shared(&self) -> &Arc<Self> {
        self.shared.get_or_init(|| {
            let shared = Self::default();
            if self.state.load(Ordering::Acquire) & COUNTED != 0 {
                shared.count(None);
            }
            if let Some(span) = self.processed.get() {
                shared.count(Some(&span));
            }
            Arc::new(shared)
        })
    }
}

/// The context of a span, which is written once and without a lock.
#[derive(Debug, Default)]
struct ProcessedBy {
    trace_id: [AtomicU64; 2],
    span_id: AtomicU64,
    is_sampled: AtomicBool,
    trace_state: OnceLock<Box<TraceState>>,
    is_set: AtomicBool,
}

impl ProcessedBy {
    /// Called by one thread only.
    fn set(&self, span: &SpanContext) {
        let trace_id = span.trace_id().to_bytes();
        for (word, &half) in self.trace_id.iter().zip(trace_id.as_chunks().0) {
            word.store(u64::from_be_bytes(half), Ordering::Relaxed);
        }
        let span_id = u64::from_be_bytes(span.span_id().to_bytes());
        self.span_id.store(span_id, Ordering::Relaxed);
        self.is_sampled.store(span.is_sampled(), Ordering::Relaxed);
        if *span.trace_state() != TraceState::NONE {
            self.trace_state.get_or_init(|| Box::new(span.trace_state().clone()));
        }
        self.is_set.store(true, Ordering::Release);
    }

    fn get(&self) -> Option<SpanContext> {
        self.is_set.load(Ordering::Acquire).then(|| {
            let [high, low] = self.trace_id.each_ref().map(|word| word.load(Ordering::Relaxed));
            let trace_id = TraceId::from(u128::from(high) << 64 | u128::from(low));
            let span_id = SpanId::from(self.span_id.load(Ordering::Relaxed));
            let is_sampled = self.is_sampled.load(Ordering::Relaxed);
            let flags = TraceFlags::default().with_sampled(is_sampled);
            let state = self.trace_state.get().map(|state| TraceState::clone(state));
            SpanContext::new(trace_id, span_id, flags, false, state.unwrap_or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn span(state: &str) -> SpanContext {
        let state = TraceState::from_key_value([("vendor", state)]).unwrap();
        let (trace_id, span_id) = (TraceId::from(5 << 64 | 7), SpanId::from(9));
        SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, state)
    }

    #[test]
    fn a_message_is_counted_once_and_remembers_the_first_span_that_processed_it() {
        let progress = Progress::default();
        assert!(progress.count(None));
        assert_eq!(progress.processed_by(), None);
        assert!(!progress.count(Some(&span("a"))));
        assert!(!progress.count(Some(&span("b"))));
        assert_eq!(progress.processed_by(), Some(span("a")));
        let copy = progress.share();
        assert!(!copy.count(Some(&span("c"))));
        assert_eq!(copy.share().processed_by(), Some(span("a")));
    }

    #[test]
    fn what_happens_to_a_copy_happens_to_the_message() {
        let progress = Progress::default();
        let copy = progress.share();
        assert!(copy.count(Some(&span("a"))));
        assert!(!progress.count(None));
        assert_eq!(progress.processed_by(), Some(span("a")));
    }

    #[test]
    fn a_message_that_is_copied_and_counted_at_the_same_time_is_counted_once() {
        for _ in 0..2_000 {
            let progress = Progress::default();
            let counted = thread::scope(|scope| {
                let message = scope.spawn(|| progress.count(None));
                let copy = scope.spawn(|| progress.share().count(None));
                u8::from(message.join().unwrap()) + u8::from(copy.join().unwrap())
            });
            assert_eq!(counted, 1);
        }
    }
}
