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
/// The progress is in `shared` from here on.
const SHARED: u8 = 4;

/// What happened to a message so far: whether it was counted, and the first span that processed it.
///
/// Every message of a batch goes through this, so it has no lock and is small: marking a message is
/// one atomic exchange. Once there is a copy of the message, or a span with a `tracestate`, it is
/// kept in `shared`.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    state: AtomicU8,
    processed_by: Ids,
    shared: OnceLock<Arc<Shared>>,
}

impl Progress {
    /// Returns the progress of a copy of the message, which is that of the message.
    pub(crate) fn share(&self) -> Self {
        let shared = OnceLock::from(Arc::clone(self.shared()));
        Self { state: AtomicU8::new(SHARED), shared, ..Self::default() }
    }

    /// Marks the message as counted, and remembers the first span that processed it. Returns
    /// whether it was not counted before.
    #[inline]
    pub(crate) fn count(&self, processed_by: Option<&SpanContext>) -> bool {
        let marks = if processed_by.is_some() { COUNTED | CLAIMED } else { COUNTED };
        let has_state = processed_by.is_some_and(|span| *span.trace_state() != TraceState::NONE);
        let mut before = self.state.load(Ordering::Acquire);
        loop {
            if has_state || before & SHARED != 0 {
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
            self.processed_by.set(span);
        }
        before & COUNTED == 0
    }

    /// Marks a message as counted that nothing else can have seen yet, without an atomic exchange.
    pub(crate) fn count_unshared(&mut self) {
        *self.state.get_mut() |= COUNTED;
    }

    /// Returns the first span that processed the message.
    pub(crate) fn processed_by(&self) -> Option<SpanContext> {
        if self.state.load(Ordering::Acquire) & SHARED == 0 {
            self.processed_by.get()
        } else {
            self.shared().processed_by.get().cloned()
        }
    }

    /// Moves the progress to where copies see it. Own marks do not change once the state is
    /// `SHARED`, so that any thread moves the same.
    #[cold]
    fn shared(&self) -> &Arc<Shared> {
        let before = self.state.fetch_or(SHARED, Ordering::AcqRel);
        self.shared.get_or_init(|| {
            let shared = Shared::default();
            if before & COUNTED != 0 {
                shared.count(self.processed_by.get().as_ref());
            }
            Arc::new(shared)
        })
    }
}

/// The progress of a message and its copies.
#[derive(Debug, Default)]
struct Shared {
    is_counted: AtomicBool,
    processed_by: OnceLock<SpanContext>,
}

impl Shared {
    fn count(&self, processed_by: Option<&SpanContext>) -> bool {
        if let Some(span) = processed_by {
            self.processed_by.get_or_init(|| span.clone());
        }
        !self.is_counted.swap(true, Ordering::AcqRel)
    }
}

/// The ids of a span without a `tracestate`, which are written once and without a lock.
#[derive(Debug, Default)]
struct Ids {
    trace_id: [AtomicU64; 2],
    span_id: AtomicU64,
    /// [`NOT_SAMPLED`](Self::NOT_SAMPLED) or [`SAMPLED`](Self::SAMPLED), once the ids are there.
    flags: AtomicU8,
}

impl Ids {
    const NOT_SAMPLED: u8 = 1;
    const SAMPLED: u8 = 2;

    /// Called by one thread only.
    fn set(&self, span: &SpanContext) {
        let trace_id = span.trace_id().to_bytes();
        for (word, &half) in self.trace_id.iter().zip(trace_id.as_chunks().0) {
            word.store(u64::from_be_bytes(half), Ordering::Relaxed);
        }
        let span_id = u64::from_be_bytes(span.span_id().to_bytes());
        self.span_id.store(span_id, Ordering::Relaxed);
        let flags = if span.is_sampled() { Self::SAMPLED } else { Self::NOT_SAMPLED };
        self.flags.store(flags, Ordering::Release);
    }

    fn get(&self) -> Option<SpanContext> {
        let is_sampled = match self.flags.load(Ordering::Acquire) {
            Self::NOT_SAMPLED => false,
            Self::SAMPLED => true,
            _ => return None,
        };
        let [high, low] = self.trace_id.each_ref().map(|word| word.load(Ordering::Relaxed));
        let trace_id = TraceId::from(u128::from(high) << 64 | u128::from(low));
        let span_id = SpanId::from(self.span_id.load(Ordering::Relaxed));
        let flags = TraceFlags::default().with_sampled(is_sampled);
        Some(SpanContext::new(trace_id, span_id, flags, false, TraceState::NONE))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn span(id: u64, state: TraceState) -> SpanContext {
        let (trace_id, span_id) = (TraceId::from(5 << 64 | 7), SpanId::from(id));
        SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, state)
    }

    fn states() -> [TraceState; 2] {
        [TraceState::NONE, TraceState::from_key_value([("vendor", "a")]).unwrap()]
    }

    #[test]
    fn a_message_is_counted_once_and_remembers_the_first_span_that_processed_it() {
        for state in states() {
            let span = |id| span(id, state.clone());
            let progress = Progress::default();
            assert!(progress.count(None));
            assert_eq!(progress.processed_by(), None);
            assert!(!progress.count(Some(&span(1))));
            assert!(!progress.count(Some(&span(2))));
            assert_eq!(progress.processed_by(), Some(span(1)));
            let copy = progress.share();
            assert!(!copy.count(Some(&span(3))));
            assert_eq!(copy.share().processed_by(), Some(span(1)));
            assert_eq!(progress.processed_by(), Some(span(1)));
        }
    }

    #[test]
    fn a_message_that_was_counted_unshared_is_not_counted_again() {
        let mut progress = Progress::default();
        progress.count_unshared();
        assert!(!progress.count(None));
        assert!(!progress.share().count(None));
    }

    #[test]
    fn the_first_span_is_remembered_if_only_another_has_a_state() {
        let [without, with] = states();
        for (first, second) in [(&without, &with), (&with, &without)] {
            let progress = Progress::default();
            let first = span(1, first.clone());
            assert!(progress.count(Some(&first)));
            assert!(!progress.count(Some(&span(2, second.clone()))));
            assert_eq!(progress.processed_by(), Some(first));
        }
    }

    #[test]
    fn what_happens_to_a_copy_happens_to_the_message() {
        for state in states() {
            let progress = Progress::default();
            let copy = progress.share();
            assert!(copy.count(Some(&span(1, state.clone()))));
            assert!(!progress.count(None));
            assert_eq!(progress.processed_by(), Some(span(1, state)));
        }
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
