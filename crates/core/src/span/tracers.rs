//! The tracers of one instrumenter.

use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};

use opentelemetry::global::BoxedTracer;

/// Equal tracers, of which each thread uses one. The SDK counts references to a tracer for each
/// span: with one tracer, all threads would write to the same memory.
///
/// `cargo xtask bench --bench threads` shows what one tracer costs.
#[derive(Debug)]
pub(crate) struct Tracers {
    first: BoxedTracer,
    more: Vec<BoxedTracer>,
}

impl Tracers {
    const COUNT: usize = 8;

    /// Makes the others as the first one was made.
    pub(crate) fn new(first: BoxedTracer, make: impl Fn() -> Option<BoxedTracer>) -> Self {
        Self { first, more: (1..Self::COUNT).map_while(|_| make()).collect() }
    }

    /// Returns the tracer of the current thread.
    #[inline]
    pub(crate) fn get(&self) -> &BoxedTracer {
        self.more.get(thread_number() % Self::COUNT).unwrap_or(&self.first)
    }
}

/// Numbers the threads in the order in which they ask first.
#[inline]
fn thread_number() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.get().unwrap_or_else(|| {
        let number = THREADS.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use opentelemetry::trace::noop::NoopTracer;

    use super::*;

    fn tracer() -> BoxedTracer {
        BoxedTracer::new(Box::new(NoopTracer::new()))
    }

    #[test]
    fn threads_have_tracers_of_their_own() {
        let tracers = Tracers::new(tracer(), || Some(tracer()));
        let used = || {
            let [first, again] = [tracers.get(), tracers.get()];
            assert!(std::ptr::eq(first, again), "a thread keeps its tracer");
            &raw const *first as usize
        };
        let mut all: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..100).map(|_| scope.spawn(used)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), Tracers::COUNT);
    }

    #[test]
    fn a_provider_that_makes_no_more_tracers_leaves_the_first() {
        let tracers = Tracers::new(tracer(), || None);
        let first = &raw const tracers.first;
        assert!(std::ptr::eq(tracers.get(), first));
    }
}
