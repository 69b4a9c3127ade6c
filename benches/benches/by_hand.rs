//! Compares what the core keeps by hand for speed with what a library or the plain form costs.
//!
//! - Reading and writing a `traceparent` (`options/w3c.rs`), beside the SDK's propagator.
//! - The attributes that every span repeats (`span/interned.rs`), beside `Arc<str>`, from one thread
//!   and from two.
//! - Looking up a destination, as each operation does, in a `RwLock<HashMap>` and in a `DashMap`. The
//!   core's own table (`span/target.rs`) cannot be called alone: a whole send is beside them, and the
//!   table's share of it is in PERFORMANCE.md.
//!
//! The times are CPU. Those of two threads need a quiet machine: else they do not run at the same time.
//!
//! ```text
//! cargo bench -p otel-messaging-benches --bench by_hand
//! ```

use std::{
    collections::HashMap,
    hint::black_box,
    sync::{Arc, RwLock},
    thread,
    time::Duration,
};

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use dashmap::DashMap;
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator as _,
    trace::{SpanContext, TraceContextExt as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use otel_messaging_benches::{
    ours::{self, Rung},
    record::{DESTINATION, Record},
};
use rustix::time::{ClockId, clock_gettime};

#[path = "../../crates/core/src/span"]
#[allow(dead_code, unused_imports, unreachable_pub, reason = "a file of the core")]
mod span {
    pub(super) mod interned;
}
#[path = "../../crates/core/src/options"]
#[allow(dead_code, unused_imports, unreachable_pub, reason = "a file of the core")]
mod options {
    pub(super) mod w3c;
}
use self::{options::w3c, span::interned};

const HEADER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read a traceparent");
    group.bench_function("core", |bencher| {
        bencher.iter_custom(|iterations| {
            cpu(iterations, || {
                black_box(w3c::parse_span_context(black_box(HEADER).as_bytes(), None));
            })
        });
    });
    let (propagator, record) = (TraceContextPropagator::new(), Record::incoming());
    group.bench_function("SDK's propagator", |bencher| {
        bencher.iter_custom(|iterations| {
            cpu(iterations, || {
                let context = propagator.extract_with_context(&Context::new(), record.headers());
                black_box(context.span().span_context().clone());
            })
        });
    });
    group.finish();
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write a traceparent");
    let span_context =
        w3c::parse_span_context(HEADER.as_bytes(), None).unwrap_or(SpanContext::NONE);
    let mut record = Record::outgoing();
    group.bench_function("core", |bencher| {
        bencher.iter_custom(|iterations| {
            cpu(iterations, || {
                record.headers_mut().clear();
                let header = w3c::Traceparent::of(black_box(&span_context));
                record.headers_mut().put(w3c::TRACEPARENT, header.as_str());
            })
        });
    });
    let propagator = TraceContextPropagator::new();
    let context = Context::new().with_remote_span_context(span_context.clone());
    group.bench_function("SDK's propagator", |bencher| {
        bencher.iter_custom(|iterations| {
            cpu(iterations, || {
                record.headers_mut().clear();
                propagator.inject_context(black_box(&context), record.headers_mut());
            })
        });
    });
    group.finish();
}

fn attributes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("copy eight attributes");
    let texts = ["kafka", "send", "orders", "client-1", "broker.example", "3", "billing", "queue"];
    let interned: Vec<_> = texts.map(|text| interned::Attribute::new("key", text)).into();
    let shared: Vec<_> = texts.map(|text| KeyValue::new("key", Arc::<str>::from(text))).into();
    on_threads(&mut group, "core", || {
        black_box(interned.iter().map(interned::Attribute::to_key_value).collect::<Vec<_>>());
    });
    on_threads(&mut group, "Arc<str>", || {
        black_box(shared.clone());
    });
    group.finish();
}

fn lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("look up a destination");
    let key = |number: usize| (0_u8, format!("{DESTINATION}-{number}"));
    let entries = || (0..50).map(|number| (key(number), Arc::new(number)));
    let wanted = key(7);
    let locked: RwLock<HashMap<_, _>> = RwLock::new(entries().collect());
    on_threads(&mut group, "RwLock<HashMap>", || {
        black_box(locked.read().ok().and_then(|map| map.get(black_box(&wanted)).map(Arc::clone)));
    });
    let sharded: DashMap<_, _> = entries().collect();
    on_threads(&mut group, "DashMap", || {
        black_box(sharded.get(black_box(&wanted)).map(|entry| Arc::clone(&entry)));
    });
    let instrumenter = Rung::SampledOut.instrumenter();
    on_threads(&mut group, "core, a whole send, sampled out", || {
        ours::send(&instrumenter, &mut Record::outgoing());
    });
    group.finish();
}

/// Measures `work` in one thread, and in two at once: the mean of their CPU.
fn on_threads(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, work: impl Fn() + Sync) {
    for threads in [1, 2] {
        group.bench_function(format!("{name}, threads: {threads}"), |bencher| {
            bencher.iter_custom(|iterations| {
                let timed = || cpu(iterations, &work);
                let total: Duration = thread::scope(|scope| {
                    let all: Vec<_> = (0..threads).map(|_| scope.spawn(timed)).collect();
                    all.into_iter().flat_map(thread::ScopedJoinHandle::join).sum()
                });
                total / threads
            });
        });
    }
}

/// Returns the CPU that this number of runs takes, so that a busy machine disturbs little.
fn cpu(iterations: u64, mut work: impl FnMut()) -> Duration {
    let clock = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    let start = clock();
    (0..iterations).for_each(|_| work());
    clock().saturating_sub(start)
}

criterion_group!(benches, read, write, attributes, lookup);
criterion_main!(benches);
