//! R18: a message is counted once, whoever collects and however often.

mod counts;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use opentelemetry::{
    InstrumentationScope, KeyValue,
    metrics::{
        Counter, Histogram, HistogramBuilder, InstrumentBuilder, InstrumentProvider, Meter,
        MeterProvider, SyncInstrument,
    },
};
use opentelemetry_sdk::metrics::Temporality;
use otel_messaging_core::{Instrumentation, Instrumenter};

use self::counts::{JOBS, exporter, instrumenter, last, process, provider};

#[test]
fn r18_each_collection_has_all_messages_so_far() {
    let (cumulative, delta) = (exporter(Temporality::Cumulative), exporter(Temporality::Delta));
    let provider = provider(&[&cumulative, &delta]);
    let jobs = instrumenter(provider.clone());
    for (round, messages) in [(1, 3), (2, 5)] {
        (0..messages).for_each(|_| process(&jobs, "nightly"));
        provider.force_flush().unwrap();
        assert_eq!(last(&cumulative), Some([0, 3, 8][round]), "round {round}");
        assert_eq!(last(&delta), Some(messages), "round {round}");
    }
    // Two producers or consumers with the same attributes share one series.
    let other = instrumenter(provider.clone());
    process(&other, "nightly");
    drop(other);
    provider.force_flush().unwrap();
    assert_eq!(last(&cumulative), Some(9), "messages of a consumer that is gone are collected");
    provider.shutdown().unwrap();
}

#[test]
fn r18_a_shutdown_exports_the_last_messages() {
    let exporter = exporter(Temporality::Cumulative);
    let provider = provider(&[&exporter]);
    let jobs = instrumenter(provider.clone());
    process(&jobs, "nightly");
    provider.shutdown().unwrap();
    assert_eq!(last(&exporter), Some(1));
}

#[test]
fn r18_messages_past_the_limit_of_targets_are_counted() {
    let exporter = exporter(Temporality::Cumulative);
    let provider = provider(&[&exporter]);
    let instrumentation = Instrumentation::builder()
        .with_tracing(false)
        .with_meter_provider(provider.clone())
        .with_destination_limit(10_000)
        .build();
    let jobs = Instrumenter::builder(JOBS).build(&instrumentation);
    (0..5_000).for_each(|number| process(&jobs, &format!("job.{number}")));
    provider.force_flush().unwrap();
    assert_eq!(last(&exporter), Some(5_000));
}

/// A meter of which only counters work: it has no callbacks, as a test double might.
struct CountersOnly(Arc<AtomicU64>);

struct Added(Arc<AtomicU64>);

impl SyncInstrument<u64> for Added {
    fn measure(&self, measurement: u64, _: &[KeyValue]) {
        self.0.fetch_add(measurement, Ordering::Relaxed);
    }
}

impl InstrumentProvider for CountersOnly {
    fn u64_counter(&self, _: InstrumentBuilder<'_, Counter<u64>>) -> Counter<u64> {
        Counter::new(Arc::new(Added(Arc::clone(&self.0))))
    }

    fn f64_histogram(&self, _: HistogramBuilder<'_, Histogram<f64>>) -> Histogram<f64> {
        struct Ignored;
        impl SyncInstrument<f64> for Ignored {
            fn measure(&self, _: f64, _: &[KeyValue]) {}
        }
        Histogram::new(Arc::new(Ignored))
    }
}

impl MeterProvider for CountersOnly {
    fn meter_with_scope(&self, _: InstrumentationScope) -> Meter {
        Meter::new(Arc::new(Self(Arc::clone(&self.0))))
    }
}

#[test]
fn r18_a_meter_without_callbacks_is_told_each_message() {
    let counted = Arc::new(AtomicU64::new(0));
    let jobs = instrumenter(CountersOnly(Arc::clone(&counted)));
    for messages in 1..=3 {
        process(&jobs, "nightly");
        assert_eq!(counted.load(Ordering::Relaxed), messages);
    }
}
