//! Measures receiving one message that carries a context. The context is extracted, and a receive
//! span is made with a link and an attribute of the message.
//!
//! Scenarios: the application without instrumentation; the core on each rung (disabled, sampled
//! out, recording, with metrics); the idiomatic and the hand-written reference, recording and
//! sampled out.
//!
//! ```text
//! cargo bench -p otel-messaging-benches --bench receive
//! cargo bench -p otel-messaging-benches --bench receive --features bound-instruments
//! ```

use criterion::{Criterion, criterion_group, criterion_main};
use otel_messaging_benches::{
    bare, hand_written, idiomatic,
    ours::{self, Rung},
    providers::Sampling,
    record::Record,
};

fn receive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive");
    let record = Record::incoming().with_offset(42);
    group.bench_function("bare", |bencher| bencher.iter(|| bare::work(&record)));
    for rung in Rung::ALL {
        let instrumenter = rung.instrumenter();
        group.bench_function(format!("ours, {}", rung.name()), |bencher| {
            bencher.iter(|| ours::receive(&instrumenter, &record));
        });
    }
    for (sampling, name) in
        [(Sampling::SampledOut, "sampled out"), (Sampling::Recording, "recording")]
    {
        let idiomatic = idiomatic::Traced::new(sampling);
        group.bench_function(format!("idiomatic, {name}"), |bencher| {
            bencher.iter(|| idiomatic.receive(&record));
        });
        let hand_written = hand_written::Traced::new(sampling);
        group.bench_function(format!("hand-written, {name}"), |bencher| {
            bencher.iter(|| hand_written.receive(&record));
        });
    }
    group.finish();
}

criterion_group!(benches, receive);
criterion_main!(benches);
