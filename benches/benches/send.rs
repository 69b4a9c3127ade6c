//! Measures sending one message, from the call to the broker's answer.
//!
//! Scenarios: the application without instrumentation; the core on each rung (disabled, sampled
//! out, recording eight attributes, with metrics); the idiomatic and the hand-written reference,
//! recording and sampled out.
//!
//! ```text
//! cargo bench -p otel-messaging-benches --bench send
//! cargo bench -p otel-messaging-benches --bench send --features bound-instruments
//! ```

use criterion::{Criterion, criterion_group, criterion_main};
use otel_messaging_benches::{
    bare, hand_written, idiomatic,
    ours::{self, Rung},
    providers::Sampling,
    record::Record,
};

fn send(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("send");
    let mut record = Record::outgoing();
    group.bench_function("bare", |bencher| bencher.iter(|| bare::send(&mut record)));
    for rung in Rung::ALL {
        let instrumenter = rung.instrumenter();
        group.bench_function(format!("ours, {}", rung.name()), |bencher| {
            bencher.iter(|| ours::send(&instrumenter, &mut record));
        });
    }
    for (sampling, name) in
        [(Sampling::SampledOut, "sampled out"), (Sampling::Recording, "recording")]
    {
        let idiomatic = idiomatic::Traced::new(sampling);
        group.bench_function(format!("idiomatic, {name}"), |bencher| {
            bencher.iter(|| idiomatic.send(&mut record));
        });
        let hand_written = hand_written::Traced::new(sampling);
        group.bench_function(format!("hand-written, {name}"), |bencher| {
            bencher.iter(|| hand_written.send(&mut record));
        });
    }
    group.finish();
}

criterion_group!(benches, send);
criterion_main!(benches);
