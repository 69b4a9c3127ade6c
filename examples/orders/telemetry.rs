//! The telemetry of a service: providers of its own, kept in memory and, if asked for, sent on.

mod collected;
mod otlp;

pub(crate) use self::otlp::Otlp;

use self::collected::Collected;
use crate::failure::Failure;
use opentelemetry::{InstrumentationScope, trace::TracerProvider};
use opentelemetry_sdk::{
    Resource,
    metrics::{InMemoryMetricExporter, SdkMeterProvider, data::ResourceMetrics},
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use otel_messaging_examples::traces::Exported;
use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// A collector that has not answered by then is not going to.
const PATIENCE: Duration = Duration::from_secs(10);

/// One of the services: its name, its providers, and what they have collected.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) tracer_provider: SdkTracerProvider,
    pub(crate) meter_provider: SdkMeterProvider,
    spans: Collected,
    metrics: InMemoryMetricExporter,
}

impl Service {
    /// Sets up the providers. All spans are sampled, whatever the environment says: they are going
    /// to be counted.
    pub(crate) fn new(name: &'static str, otlp: &Otlp) -> Result<Self, Failure> {
        let resource = Resource::builder().with_service_name(name).build();
        let (spans, metrics) = (Collected::default(), InMemoryMetricExporter::default());
        let mut tracer_provider = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_sampler(Sampler::AlwaysOn)
            .with_simple_exporter(spans.clone());
        let mut meter_provider = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_periodic_exporter(metrics.clone());
        if let Some(processor) = otlp.span_processor()? {
            tracer_provider = tracer_provider.with_span_processor(processor);
        }
        if let Some(reader) = otlp.metric_reader()? {
            meter_provider = meter_provider.with_reader(reader);
        }
        Ok(Self {
            name,
            tracer_provider: tracer_provider.build(),
            meter_provider: meter_provider.build(),
            spans,
            metrics,
        })
    }

    /// For the spans of the service itself.
    pub(crate) fn tracer(&self) -> SdkTracer {
        let scope = InstrumentationScope::builder(self.name)
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url("https://opentelemetry.io/schemas/1.44.0")
            .build();
        self.tracer_provider.tracer_with_scope(scope)
    }

    /// The spans that have ended since this was called last.
    pub(crate) fn take_spans(&self) -> impl Iterator<Item = Exported> + use<> {
        let service = self.name;
        self.spans
            .take()
            .into_iter()
            .map(move |span| Exported { service: service.to_owned(), span })
    }

    /// The metrics of the whole run, once it has been shut down.
    pub(crate) fn metrics(&self) -> Option<ResourceMetrics> {
        self.metrics.get_finished_metrics().ok()?.pop()
    }
}

/// Shuts all providers down at once, so that waiting is for the slowest collector only, and not for
/// longer than it deserves.
pub(crate) fn shut_down(services: &[Service]) {
    let (sender, done) = mpsc::channel();
    for service in services {
        let (traces, metrics) = (service.tracer_provider.clone(), service.meter_provider.clone());
        let sender = sender.clone();
        thread::spawn(move || {
            // What is not exported shows in the tally.
            let _ = metrics.shutdown_with_timeout(PATIENCE);
            let _ = traces.shutdown_with_timeout(PATIENCE);
            sender.send(())
        });
    }
    let deadline = Instant::now() + PATIENCE;
    for _ in services {
        let _ = done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}
