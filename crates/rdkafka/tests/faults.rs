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
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::{self, Link, SpanBuilder, SpanContext, SpanKind, Status, TraceId},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{
        SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample, Span, SpanData, SpanProcessor,
    },
};
use otel_messaging_rdkafka as rdkafka;
use rdkafka::{
    ClientContext,
    message::DeliveryResult,
    otel::{InstrumentationBuilder, Propagation},
    producer::{
        BaseProducer, BaseRecord, FutureRecord, Producer, ProducerContext, ThreadedProducer,
    },
    semconv as kafka,
};
use support::{Kafka, PATIENCE, durations, in_partition, sent};
use tokio::time::timeout;

/// Where telemetry code panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Panics {
    InSampler,
    WhenSpansStart,
    WhenSpansEnd,
    InPropagator,
    /// When the report is told.
    InSpan,
}

const ALL: [Panics; 5] = [
    Panics::InSampler,
    Panics::WhenSpansStart,
    Panics::WhenSpansEnd,
    Panics::InPropagator,
    Panics::InSpan,
];

impl Panics {
    fn choose(self, builder: InstrumentationBuilder) -> InstrumentationBuilder {
        let provider = SdkTracerProvider::builder().with_span_processor(self);
        match self {
            Self::InSampler => builder.with_tracer_provider(provider.with_sampler(self).build()),
            Self::InPropagator => builder.with_propagator(Propagation::custom(PanickingPropagator)),
            Self::InSpan => builder.with_tracer_provider(PanickingSpans(provider.build())),
            Self::WhenSpansStart | Self::WhenSpansEnd => {
                builder.with_tracer_provider(provider.build())
            }
        }
    }

    fn kafka(self) -> Kafka {
        Kafka::with(|builder| self.choose(builder))
    }
}

impl ShouldSample for Panics {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        panic!("this sampler panics, as the test wants")
    }
}

impl SpanProcessor for Panics {
    fn on_start(&self, _: &mut Span, _: &Context) {
        assert_ne!(*self, Self::WhenSpansStart, "this processor panics, as the test wants");
    }

    fn on_end(&self, _: SpanData) {
        assert_ne!(*self, Self::WhenSpansEnd, "this processor panics, as the test wants");
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[derive(Debug)]
struct PanickingPropagator;

impl TextMapPropagator for PanickingPropagator {
    fn inject_context(&self, _: &Context, _: &mut dyn Injector) {
        panic!("this propagator panics, as the test wants")
    }

    fn extract_with_context(&self, _: &Context, _: &dyn Extractor) -> Context {
        panic!("this propagator panics, as the test wants")
    }

    fn fields(&self) -> FieldIter<'_> {
        panic!("this propagator panics, as the test wants")
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
    for panics in ALL {
        let kafka = panics.kafka();
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
                assert!(Instant::now() < deadline, "the polling thread is dead: {panics:?}");
                std::thread::yield_now();
            }
        }
        let batch = (0..8).map(|_| record());
        assert!(threaded.send_batch(batch).iter().all(Result::is_ok));
        let context = Arc::clone(threaded.context());
        threaded.flush(PATIENCE).unwrap();
        drop(threaded);
        assert_eq!(base.context().0.load(Ordering::Relaxed), 8, "{panics:?}");
        assert_eq!(context.0.load(Ordering::Relaxed), 16, "{panics:?}");
        let labels = || in_partition(0, kafka.labels(kafka::SEND, Some("orders")));
        kafka.telemetry.assert_metrics([sent([(24, labels())]), durations([(17, labels())])]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_delivery_future_completes() {
    for panics in ALL {
        let kafka = panics.kafka();
        let producer = kafka.producer();
        let record = || FutureRecord::<str, str>::to("orders").payload("x");
        let sends = async {
            for offset in 0..4 {
                let report = producer.send_result(record()).map_err(|(error, _)| error).unwrap();
                assert_eq!(report.await.unwrap().unwrap().offset, offset, "{panics:?}");
            }
            assert_eq!(producer.send(record(), PATIENCE).await.unwrap().offset, 4, "{panics:?}");
            let batch = producer.send_batch([record(), record()], PATIENCE).await;
            let offsets: Vec<_> = batch.into_iter().map(|sent| sent.unwrap().offset).collect();
            assert_eq!(offsets, [5, 6], "{panics:?}");
        };
        timeout(PATIENCE, sends).await.expect("every send completes");
    }
}
