//! Measures batches of 1, 10, 100, 1,000 and 10,000 messages that carry contexts, per message.
//!
//! Scenarios: processing without and with an attribute for each message, on each rung of the core
//! (disabled, sampled out, recording with a raised link limit, with metrics) and with the two
//! references; recording with the default limit of 128 links, with child spans for the other links;
//! receiving; sending with a create span for each message.
//!
//! ```text
//! cargo bench -p otel-messaging-benches --bench batch
//! cargo bench -p otel-messaging-benches --bench batch -- 'process.*/1000$'
//! ```

use std::time::Duration;

use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use otel_messaging_benches::{
    hand_written, idiomatic,
    ours::{self, Rung},
    providers::Sampling,
    record::Record,
};

const SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];

fn process(criterion: &mut Criterion) {
    for (name, with_offset) in [("no attribute", false), ("one attribute", true)] {
        let mut group = group(criterion, &format!("process batch, {name}"));
        let mut for_sizes = |contender: &str, work: &dyn Fn(&[Record])| {
            for size in SIZES {
                let records = Record::incoming_batch(size, with_offset);
                group.throughput(Throughput::Elements(size as u64));
                group.bench_function(BenchmarkId::new(contender, size), |bencher| {
                    bencher.iter(|| work(&records));
                });
            }
        };
        for rung in Rung::ALL {
            let instrumenter = rung.instrumenter();
            for_sizes(&format!("ours, {}", rung.name()), &|records| {
                ours::process_batch(&instrumenter, records);
            });
        }
        let instrumenter = ours::with_default_link_limit();
        for_sizes("ours, recording, 128 links a span", &|records| {
            ours::process_batch(&instrumenter, records);
        });
        let idiomatic = idiomatic::Traced::new(Sampling::Recording);
        for_sizes("idiomatic, recording", &|records| idiomatic.process_batch(records));
        let hand_written = hand_written::Traced::new(Sampling::Recording);
        for_sizes("hand-written, recording", &|records| hand_written.process_batch(records));
        group.finish();
    }
}

fn receive(criterion: &mut Criterion) {
    let mut group = group(criterion, "receive batch");
    for rung in Rung::ALL {
        let instrumenter = rung.instrumenter();
        for size in SIZES {
            let records = Record::incoming_batch(size, true);
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(
                BenchmarkId::new(format!("ours, {}", rung.name()), size),
                |bencher| {
                    bencher.iter(|| ours::receive_batch(&instrumenter, &records));
                },
            );
        }
    }
    group.finish();
}

fn send(criterion: &mut Criterion) {
    let mut group = group(criterion, "send batch");
    for rung in Rung::ALL {
        let instrumenter = rung.instrumenter();
        for size in SIZES {
            let mut records = vec![Record::outgoing(); size];
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(
                BenchmarkId::new(format!("ours, {}", rung.name()), size),
                |bencher| {
                    bencher.iter(|| ours::send_batch(&instrumenter, &mut records));
                },
            );
        }
    }
    group.finish();
}

/// Makes a benchmark group with a short measurement time, as it has many members.
fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    group.sample_size(20);
    group
}

criterion_group!(benches, process, receive, send);
criterion_main!(benches);
