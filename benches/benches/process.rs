//! Measures processing and settling one message that carries a context. The context is extracted,
//! and a process span with a link is current in a function or a future.
//!
//! Scenarios: the application without instrumentation; the core on each rung (disabled, sampled
//! out, recording, with metrics), with a function and with a future that is ready at once; the
//! idiomatic and the hand-written reference, recording and sampled out.
//!
//! ```text
//! cargo bench -p otel-messaging-benches --bench process
//! cargo bench -p otel-messaging-benches --bench process --features bound-instruments
//! ```

use criterion::{Criterion, criterion_group, criterion_main};
use otel_messaging_benches::{
    bare, hand_written, idiomatic,
    ours::{self, Rung},
    providers::Sampling,
    record::Record,
};

fn process(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("process");
    let record = Record::incoming().with_offset(42);
    group.bench_function("bare", |bencher| bencher.iter(|| bare::work(&record)));
    for rung in Rung::ALL {
        let instrumenter = rung.instrumenter();
        group.bench_function(format!("ours, {}", rung.name()), |bencher| {
            bencher.iter(|| ours::process(&instrumenter, &record));
        });
        group.bench_function(format!("ours, future, {}", rung.name()), |bencher| {
            bencher.iter(|| ours::process_async(&instrumenter, &record));
        });
    }
    for (sampling, name) in
        [(Sampling::SampledOut, "sampled out"), (Sampling::Recording, "recording")]
    {
        let idiomatic = idiomatic::Traced::new(sampling);
        group.bench_function(format!("idiomatic, {name}"), |bencher| {
            bencher.iter(|| idiomatic.process(&record));
        });
        let hand_written = hand_written::Traced::new(sampling);
        group.bench_function(format!("hand-written, {name}"), |bencher| {
            bencher.iter(|| hand_written.process(&record));
        });
    }
    group.finish();
}

fn settle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("settle");
    let record = Record::incoming().with_offset(42);
    for rung in Rung::ALL {
        let instrumenter = rung.instrumenter();
        let message = ours::extract(&instrumenter, &record);
        group.bench_function(format!("ours, {}", rung.name()), |bencher| {
            bencher.iter(|| ours::settle(&message));
        });
    }
    group.finish();
}

criterion_group!(benches, process, settle);
criterion_main!(benches);
