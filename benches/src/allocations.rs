//! Counts the allocations of one thread.
#![allow(unsafe_code)] // the one place in this package: a global allocator is an unsafe trait

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    /// A type without a destructor, so that it can be used at any time of a thread's life.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator with a counter per thread. A program that calls [`count`] has to declare
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

fn note() {
    COUNT.set(COUNT.get() + 1);
}

// SAFETY: each method passes its arguments to `System` unchanged and returns the result, so the
// guarantees of `System` hold. Counting writes a thread-local `Cell` that has no destructor and no
// lazy initializer, so it neither allocates nor unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller upholds the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller upholds the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: this allocator got `block` from `System`, with this layout. The caller upholds
        // the rest of the contract.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: this allocator got `block` from `System`, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}
