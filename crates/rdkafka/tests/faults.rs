//! Telemetry code that panics where the suite does not look: every record is delivered and reported,
//! and its metrics are counted. `conformance.rs` shows it for `send`, `recv` and `batches`.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod support;

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Instant, SystemTime},
};

use opentelemetry::{
    Context, InstrumentationScope, KeyValue,
    trace::{self, SpanBuilder, SpanContext, Status},
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use otel_messaging_rdkafka as rdkafka;
use otel_messaging_testing::faults::Panics;
use rdkafka::{
    ClientContext,
    message::DeliveryResult,
    producer::{
        BaseProducer, BaseRecord, FutureRecord, Producer, ProducerContext, ThreadedProducer,
    },
    semconv as kafka,
};
use support::{Kafka, PATIENCE, durations, in_partition, sent};
use tokio::time::timeout;

/// Where telemetry code panics: in all that the suite knows, or in the span when the report comes.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Panics(Panics),
    InSpan,
}

impl Fault {
    fn all() -> impl Iterator<Item = Self> {
        Panics::ALL.into_iter().map(Self::Panics).chain([Self::InSpan])
    }

    fn kafka(self) -> Kafka {
        Kafka::with(|builder| match self {
            Self::Panics(panics) => panics.choose(builder),
            Self::InSpan => {
                let provider = SdkTracerProvider::builder().build();
                builder.with_tracer_provider(PanickingSpans(provider))
            }
        })
    }
}

/// A provider whose spans panic at an attribute that only the report brings.
struct PanickingSpans(SdkTracerProvider);
struct PanickingTracer(SdkTracer);
struct PanickingSpan(Span);

impl trace::TracerProvider for PanickingSpans {
    type Tracer = PanickingTracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> PanickingTracer {
        PanickingTracer(self.0.tracer_with_scope(scope))
    }
}

impl trace::Tracer for PanickingTracer {
    type Span = PanickingSpan;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> PanickingSpan {
        PanickingSpan(self.0.build_with_context(builder, parent))
    }
}

impl trace::Span for PanickingSpan {
    fn set_attribute(&mut self, attribute: KeyValue) {
        assert_ne!(attribute.key.as_str(), kafka::OFFSET, "this span panics, as the test wants");
    }

    fn add_event_with_timestamp<T>(&mut self, _: T, _: SystemTime, _: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
    }

    fn span_context(&self) -> &SpanContext {
        self.0.span_context()
    }

    fn is_recording(&self) -> bool {
        self.0.is_recording()
    }

    fn set_status(&mut self, _: Status) {}

    fn update_name<T>(&mut self, _: T)
    where
        T: Into<Cow<'static, str>>,
    {
    }

    fn add_link(&mut self, _: SpanContext, _: Vec<KeyValue>) {}

    fn end_with_timestamp(&mut self, time: SystemTime) {
        self.0.end_with_timestamp(time);
    }
}

/// Counts the reports that the application gets.
#[derive(Default)]
struct Reports(AtomicUsize);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok());
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn record() -> BaseRecord<'static, str, str> {
    BaseRecord::to("orders").partition(0).payload("x")
}

/// Eight records one after the other, so that each report finds the polling thread alive.
#[test]
fn every_report_reaches_the_applications_context() {
    for fault in Fault::all() {
        let kafka = fault.kafka();
        let config = kafka.config();
        let base: BaseProducer<Reports> =
            BaseProducer::create(&config, Reports::default(), &kafka.instrumentation).unwrap();
        let threaded: ThreadedProducer<Reports> =
            ThreadedProducer::create(&config, Reports::default(), &kafka.instrumentation).unwrap();
        for _ in 0..8 {
            base.send(record()).map_err(|(error, _)| error).unwrap();
            base.flush(PATIENCE).unwrap();
            threaded.send(record()).map_err(|(error, _)| error).unwrap();
            // Nothing but the producer's own thread may fetch the report.
            let deadline = Instant::now() + PATIENCE;
            while threaded.in_flight_count() > 0 {
                assert!(Instant::now() < deadline, "the polling thread is dead: {fault:?}");
                std::thread::yield_now();
            }
        }
        let batch = (0..8).map(|_| record());
        assert!(threaded.send_batch(batch).iter().all(Result::is_ok));
        let context = Arc::clone(threaded.context());
        threaded.flush(PATIENCE).unwrap();
        drop(threaded);
        assert_eq!(base.context().0.load(Ordering::Relaxed), 8, "{fault:?}");
        assert_eq!(context.0.load(Ordering::Relaxed), 16, "{fault:?}");
        let labels = || in_partition(0, kafka.labels(kafka::SEND, Some("orders")));
        kafka.telemetry.assert_metrics([sent([(24, labels())]), durations([(17, labels())])]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_delivery_future_completes() {
    for fault in Fault::all() {
        let kafka = fault.kafka();
        let producer = kafka.producer();
        let record = || FutureRecord::<str, str>::to("orders").payload("x");
        let sends = async {
            for offset in 0..4 {
                let report = producer.send_result(record()).map_err(|(error, _)| error).unwrap();
                assert_eq!(report.await.unwrap().unwrap().offset, offset, "{fault:?}");
            }
            assert_eq!(producer.send(record(), PATIENCE).await.unwrap().offset, 4, "{fault:?}");
            let batch = producer.send_batch([record(), record()], PATIENCE).await;
            let offsets: Vec<_> = batch.into_iter().map(|sent| sent.unwrap().offset).collect();
            assert_eq!(offsets, [5, 6], "{fault:?}");
        };
        timeout(PATIENCE, sends).await.expect("every send completes");
    }
}
