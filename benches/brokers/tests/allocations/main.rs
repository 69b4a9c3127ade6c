//! Asserts what instrumentation allocates beside each client, for one message, in the calling thread.
//!
//! No test needs a broker: Kafka is librdkafka's embedded cluster, NATS a server in this process,
//! RabbitMQ has mock deliveries. `cargo xtask bench brokers` counts all threads on real brokers.
//!
//! **To change a number**: it is in [`EXPECTED`], the one table. A path that allocates less than that
//! fails, too, so that the table is true.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod kafka;
mod nats;
mod rabbitmq;

use otel_messaging_benches::{
    allocations::{CountingAllocator, count, is_counting},
    providers::{RAISED_LINK_LIMIT, Sampling, meter_provider, tracer_provider},
};
use otel_messaging_core::Instrumentation;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// What is on. The columns of [`EXPECTED`].
const MODES: [Mode; 4] = [Mode::Disabled, Mode::Metrics, Mode::SampledOut, Mode::Recorded];

/// The allocations of a message over those of the bare client on the same message.
const EXPECTED: [(&str, [u64; 4]); 6] = [
    // path, disabled, metrics only, metrics and sampled out, metrics and recorded
    ("kafka send", [0, 1, 3, 4]),
    ("kafka recv and process", [0, 1, 7, 10]),
    ("kafka batch of 100", [1, 1, 212, 215]),
    ("nats publish", [0, 0, 1, 1]),
    ("nats receive and process", [0, 1, 7, 8]),
    ("rabbitmq process and ack", [1, 4, 14, 16]),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Disabled,
    Metrics,
    SampledOut,
    Recorded,
}

impl Mode {
    fn instrumentation(self) -> Instrumentation {
        let builder = Instrumentation::builder()
            .with_link_limit(RAISED_LINK_LIMIT.into())
            .with_meter_provider(meter_provider());
        let traced = |sampling| tracer_provider(sampling, RAISED_LINK_LIMIT);
        match self {
            Self::Disabled => Instrumentation::disabled(),
            Self::Metrics => builder.with_tracing(false).build(),
            Self::SampledOut => builder.with_tracer_provider(traced(Sampling::SampledOut)).build(),
            Self::Recorded => builder.with_tracer_provider(traced(Sampling::Recording)).build(),
        }
    }
}

/// Asserts that `path` allocates as the table says. `ours` makes one run with an instrumentation,
/// `bare` one without; each returns its allocations.
#[track_caller]
fn assert_added(path: &str, bare: impl FnMut() -> u64, mut ours: impl FnMut(Mode) -> u64) {
    assert!(is_counting());
    let (_, expected) =
        EXPECTED.iter().find(|(name, _)| *name == path).expect("it is in the table");
    let bare = steady(bare);
    let added = MODES.map(|mode| {
        let total = ours(mode);
        total.checked_sub(bare).unwrap_or_else(|| panic!("{mode:?} allocates less than the client"))
    });
    assert_eq!(added, *expected, "{path}: {MODES:?}, over {bare} of the client");
}

/// Returns the allocations of a run once all is built that is built once. Buffers grow now and then,
/// also those of the client: the least of some runs has no such growth.
fn steady(mut run: impl FnMut() -> u64) -> u64 {
    for _ in 0..3 {
        run();
    }
    (0..8).map(|_| run()).min().unwrap_or_default()
}

/// Counts the allocations of `work`, and returns them with its result.
fn counted<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let mut result = None;
    let allocations = count(|| result = Some(work()));
    (allocations, result.expect("it has run"))
}
