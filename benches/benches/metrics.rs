//! Measures the time that metrics add to a send.
//!
//! Scenarios: a send with spans only, and with spans and metrics, whose difference is the cost of
//! the two metrics; metrics without spans; as reference, recording the two values on the plain API
//! with attributes that are built once.
//!
//! ```text
//! cargo bench -p otel-messaging-benches --bench metrics
//! cargo bench -p otel-messaging-benches --bench metrics --features bound-instruments
//! ```

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use otel_messaging_benches::{
    idiomatic,
    ours::{self, Rung},
    record::Record,
};

fn metrics(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("metrics of a send");
    let mut record = Record::outgoing();
    for rung in [Rung::Recording, Rung::WithMetrics] {
        let instrumenter = rung.instrumenter();
        group.bench_function(format!("ours, {}", rung.name()), |bencher| {
            bencher.iter(|| ours::send(&instrumenter, &mut record));
        });
    }
    let instrumenter = ours::without_tracing();
    group.bench_function("ours, metrics without spans", |bencher| {
        bencher.iter(|| ours::send(&instrumenter, &mut record));
    });
    let plain = idiomatic::Measured::default();
    group.bench_function("plain, both records alone", |bencher| {
        bencher.iter(|| plain.record(black_box(0.012)));
    });
    group.finish();
}

criterion_group!(benches, metrics);
criterion_main!(benches);
