//! Counting allocations of one thread.
#![allow(unsafe_code)] // the one place in this package: a global allocator is an unsafe trait

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    /// Without a destructor, so that it can be asked at any time in a thread's life.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, which counts per thread what is asked of it. A program that calls
/// [`count`] declares it as its `#[global_allocator]`.
#[derive(Debug)]
pub struct CountingAllocator;

/// How many allocations and reallocations `work` makes on this thread.
pub fn count(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

/// Whether [`CountingAllocator`] is the program's allocator: if not, everything counts as zero.
pub fn is_counting() -> bool {
    count(|| drop(std::hint::black_box(Box::new(0_u8)))) == 1
}

fn note() {
    COUNT.set(COUNT.get() + 1);
}

// SAFETY: every method passes its arguments to `System` as they are and returns what that
// returns, so `System`'s guarantees are ours. Counting touches one `Cell` of this thread that has
// no destructor and no lazy initializer: it neither allocates nor unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller keeps the contract of `alloc`, which is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is `System`'s.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: `block` came from `System` through this allocator; the rest is the caller's.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `System` through this allocator, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}
