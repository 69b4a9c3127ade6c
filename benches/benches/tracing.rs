//! Processing in an application that uses `tracing`, with the feature of that name.
//!
//! Scenarios: one message, recording and sampled out, in the core with no subscriber, in the core
//! with a layer, and by hand with a layer, as people do: a span with fields, `set_parent` and a
//! link. Batches, per message. Sending: inside no span, and inside a span with context activation
//! and without. Without the feature: `--bench process`.
//!
//! ```text
//! cargo bench -p otel-messaging-benches --bench tracing --features tracing
//! ```

use std::{collections::HashMap, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator as _,
    trace::{SpanContext, TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use otel_messaging_benches::{
    bare,
    ours::{self, Rung},
    providers::{RAISED_LINK_LIMIT, Sampling, tracer_provider},
    record::{DESTINATION, OFFSET, PARTITION, Record},
};
use tracing::{Dispatch, Span, dispatcher, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

const SIZES: [usize; 4] = [1, 100, 1_000, 10_000];

fn dispatch(sampling: Sampling, context_activation: bool) -> Dispatch {
    let tracer = tracer_provider(sampling, RAISED_LINK_LIMIT).tracer("application");
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_context_activation(context_activation);
    Dispatch::new(tracing_subscriber::registry().with(layer))
}

fn span() -> Span {
    let span = info_span!(
        "process",
        otel.name = format!("process {DESTINATION}"),
        otel.kind = "consumer",
        messaging.system = "kafka",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = DESTINATION,
        messaging.destination.partition.id = PARTITION.to_string(),
        messaging.client.id = "client-1",
        server.address = "broker.example",
        server.port = 9092_i64,
    );
    // A root as without the ambient context, or the caller's child.
    let _ = span.set_parent(Context::current());
    span
}

fn sent_by(record: &Record) -> SpanContext {
    let mut carrier = HashMap::new();
    for (name, value) in record.headers().iter() {
        carrier.insert(name.to_owned(), value.to_owned());
    }
    let remote = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    remote.span().span_context().clone()
}

fn by_hand(record: &Record) {
    let span = span();
    span.add_link(sent_by(record));
    if let Some(offset) = record.offset() {
        span.set_attribute(OFFSET, offset);
    }
    span.in_scope(|| bare::work(record));
}

fn batch_by_hand(records: &[Record]) {
    let span = span();
    for record in records {
        let offset = record.offset().map(|offset| KeyValue::new(OFFSET, offset));
        span.add_link_with_attributes(sent_by(record), offset.into_iter().collect());
    }
    span.in_scope(|| bare::work(&records));
}

fn process(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tracing, process");
    let record = Record::incoming().with_offset(42);
    for (rung, sampling) in
        [(Rung::SampledOut, Sampling::SampledOut), (Rung::Recording, Sampling::Recording)]
    {
        let (instrumenter, name) = (rung.instrumenter(), rung.name());
        group.bench_function(format!("ours, no subscriber, {name}"), |bencher| {
            bencher.iter(|| ours::process(&instrumenter, &record));
        });
        let _default = dispatcher::set_default(&dispatch(sampling, true));
        group.bench_function(format!("ours, layer, {name}"), |bencher| {
            bencher.iter(|| ours::process(&instrumenter, &record));
        });
        group.bench_function(format!("ours, future, layer, {name}"), |bencher| {
            bencher.iter(|| ours::process_async(&instrumenter, &record));
        });
        group.bench_function(format!("by hand, layer, {name}"), |bencher| {
            bencher.iter(|| by_hand(&record));
        });
    }
    group.finish();
}

fn process_batch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tracing, process batch");
    group.warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    group.sample_size(20);
    let instrumenter = Rung::Recording.instrumenter();
    let _default = dispatcher::set_default(&dispatch(Sampling::Recording, true));
    for size in SIZES {
        let records = Record::incoming_batch(size, true);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("ours, layer", size), |bencher| {
            bencher.iter(|| ours::process_batch(&instrumenter, &records));
        });
        group.bench_function(BenchmarkId::new("by hand, layer", size), |bencher| {
            bencher.iter(|| batch_by_hand(&records));
        });
    }
    group.finish();
}

fn send(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tracing, send");
    let instrumenter = Rung::Recording.instrumenter();
    let mut record = Record::outgoing();
    let mut send = |name: &str| {
        group.bench_function(name, |bencher| {
            bencher.iter(|| ours::send(&instrumenter, &mut record));
        });
    };
    send("no subscriber");
    for (name, context_activation) in [("activated", true), ("not activated", false)] {
        let _default = dispatcher::set_default(&dispatch(Sampling::Recording, context_activation));
        send(&format!("{name}, in no span"));
        info_span!("request").in_scope(|| send(&format!("{name}, in a span")));
    }
    group.finish();
}

criterion_group!(benches, process, process_batch, send);
criterion_main!(benches);
