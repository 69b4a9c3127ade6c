//! Asserts the number of allocations of each path of the core.
//!
//! Records store their headers in place, so that the carrier adds no allocations. Contexts have no
//! `tracestate`. Names and attribute sets that are built once for a destination are not counted.
//!
//! ```text
//! cargo test -p otel-messaging-benches
//! cargo test -p otel-messaging-benches --features bound-instruments
//! ```

use otel_messaging_benches::{
    allocations::{CountingAllocator, count, is_counting},
    ours::{self, Rung},
    record::Record,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Returns the number of allocations of `work`, after some runs that build what is kept.
fn allocations(mut work: impl FnMut()) -> u64 {
    assert!(is_counting());
    for _ in 0..3 {
        work();
    }
    count(work)
}

/// Asserts the number of allocations of `work` on each rung.
fn assert_allocations(
    path: &str,
    expected: [(Rung, u64); 4],
    mut work: impl FnMut(&otel_messaging_core::Instrumenter),
) {
    for (rung, expected) in expected {
        let instrumenter = rung.instrumenter();
        assert_eq!(allocations(|| work(&instrumenter)), expected, "{path}, {}", rung.name());
    }
}

/// Returns the expected allocations on all rungs but [`Rung::Disabled`].
fn enabled(sampled_out: u64, recording: u64) -> [(Rung, u64); 4] {
    [
        (Rung::Disabled, 0),
        (Rung::SampledOut, sampled_out),
        (Rung::Recording, recording),
        // Attribute sets of metrics are built once, so metrics allocate nothing.
        (Rung::WithMetrics, recording),
    ]
}

#[test]
fn a_send_allocates_the_attributes_and_the_span() {
    let mut record = Record::outgoing();
    assert_allocations("send", enabled(2, 2), |instrumenter| ours::send(instrumenter, &mut record));
}

#[test]
fn a_receive_allocates_the_link_too() {
    let record = Record::incoming().with_offset(42);
    assert_allocations("receive", enabled(3, 3), |instrumenter| {
        ours::receive(instrumenter, &record);
    });
}

/// README.md has this number, and that of the test above.
#[test]
fn a_receive_without_its_span_allocates_nothing() {
    let record = Record::incoming().with_offset(42);
    let instrumenter = ours::without_receive_spans();
    assert_eq!(allocations(|| ours::receive(&instrumenter, &record)), 0);
}

#[test]
fn a_process_allocates_its_context_too() {
    let record = Record::incoming().with_offset(42);
    let expected = enabled(4, 5);
    assert_allocations("process", expected, |instrumenter| ours::process(instrumenter, &record));
    assert_allocations("process, future", expected, |instrumenter| {
        ours::process_async(instrumenter, &record);
    });
}

#[test]
fn a_settlement_allocates_as_a_receive() {
    let record = Record::incoming().with_offset(42);
    assert_allocations("settle", enabled(3, 3), |instrumenter| {
        ours::settle(&ours::extract(instrumenter, &record));
    });
}

#[test]
fn a_link_without_attributes_allocates_nothing() {
    per_message(false, 0);
}

#[test]
fn a_link_with_an_attribute_allocates_its_list() {
    per_message(true, 1);
}

/// Asserts that a batch makes `expected` allocations per message, and otherwise the same number for
/// 100 messages as for 10,000.
fn per_message(with_offset: bool, expected: u64) {
    for rung in [Rung::SampledOut, Rung::Recording, Rung::WithMetrics] {
        let instrumenter = rung.instrumenter();
        let of = |messages: usize| {
            let records = Record::incoming_batch(messages, with_offset);
            allocations(|| ours::process_batch(&instrumenter, &records))
        };
        let received = |messages: usize| {
            let records = Record::incoming_batch(messages, with_offset);
            allocations(|| ours::receive_batch(&instrumenter, &records))
        };
        assert_eq!(of(10_000) - of(100), 9_900 * expected, "process, {}", rung.name());
        assert_eq!(received(10_000) - received(100), 9_900 * expected, "receive, {}", rung.name());
        // The messages, the links, the attributes, the span and its context.
        assert!(of(100) - 100 * expected <= 8, "{}: {}", rung.name(), of(100));
    }
}

#[test]
fn a_disabled_batch_allocates_its_list_of_messages() {
    let records = Record::incoming_batch(1_000, true);
    let instrumenter = Rung::Disabled.instrumenter();
    assert_eq!(allocations(|| ours::process_batch(&instrumenter, &records)), 1);
}

#[test]
fn a_batch_that_is_sent_allocates_as_its_create_spans() {
    let instrumenter = Rung::Recording.instrumenter();
    let of = |messages: usize| {
        let mut records = vec![Record::outgoing(); messages];
        allocations(|| ours::send_batch(&instrumenter, &mut records))
    };
    assert_eq!(of(1_000) - of(100), 900 * 2);
}
