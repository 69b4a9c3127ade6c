//! Counts the allocations of one thread, or of all.
#![allow(unsafe_code)] // the one place in this package: a global allocator is an unsafe trait

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

thread_local! {
    /// A type without a destructor, so that it can be used at any time of a thread's life.
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Whether this thread is left out of the counts of all threads.
    static EXCLUDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether the allocations of all threads are counted now.
static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// The system's allocator with a counter for each thread, and one for all. A program that calls [`count`] has to declare
/// it as its `#[global_allocator]`.
#[derive(Debug)]
pub struct CountingAllocator;

/// Runs `work`, and returns the number of its allocations and reallocations on this thread.
pub fn count(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

/// Returns whether [`CountingAllocator`] is the program's allocator. If not, all counts are zero.
pub fn is_counting() -> bool {
    count(|| drop(std::hint::black_box(Box::new(0_u8)))) == 1
}

/// Starts or stops counting the allocations of all threads.
pub fn count_all_threads(enabled: bool) {
    COUNTING.store(enabled, Ordering::Relaxed);
}

/// Leaves the calling thread out of the counts of all threads.
pub fn exclude_this_thread() {
    EXCLUDED.set(true);
}

/// Returns the allocations of all threads that were counted, and their bytes.
pub fn of_all_threads() -> (u64, u64) {
    (ALLOCATIONS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed))
}

fn note(size: usize) {
    COUNT.set(COUNT.get() + 1);
    if COUNTING.load(Ordering::Relaxed) && !EXCLUDED.get() {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(size as u64, Ordering::Relaxed);
    }
}

// SAFETY: each method passes its arguments to `System` unchanged and returns the result, so the
// guarantees of `System` hold. Counting writes a thread-local `Cell` that has no destructor and no
// lazy initializer, so it neither allocates nor unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller upholds the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller upholds the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: this allocator got `block` from `System`, with this layout. The caller upholds
        // the rest of the contract.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: this allocator got `block` from `System`, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}
