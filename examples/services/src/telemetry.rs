//! The global providers of a service, which export as the standard variables say.

use crate::Result;
use opentelemetry::{
    InstrumentationScope,
    global::{self, BoxedTracer},
    propagation::{TextMapCompositePropagator, TextMapPropagator},
};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::{PeriodicReader, SdkMeterProvider},
    propagation::{BaggagePropagator, TraceContextPropagator},
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider},
};
use otel_messaging_examples::tally::{Tallied, Tally};
use std::{env, time::Duration};

/// The collector of `all`, which gets everything beside what the standard variables name.
pub(crate) const COLLECTOR: &str = "OTEL_MESSAGING_DEMO_COLLECTOR";

/// A collector that has not answered by then is not going to.
const PATIENCE: Duration = Duration::from_secs(10);
/// Holds all spans of a busy moment, so that none is dropped while the collector takes its time.
const QUEUE: usize = 32 * 1024;

/// The providers, to be shut down when the work is done.
#[derive(Debug)]
pub(crate) struct Telemetry {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    tally: Tally,
}

impl Telemetry {
    /// To be called before there is a runtime: the exporter's HTTP client blocks, in threads of its
    /// own.
    pub(crate) fn set_up(service: &'static str) -> Result<Self> {
        let resource = Resource::builder().with_service_name(service).build();
        let tally = Tally::default();

        let mut traces = SdkTracerProvider::builder().with_resource(resource.clone());
        for endpoint in endpoints("TRACES", "/v1/traces") {
            let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            let exporter = match endpoint {
                Some(endpoint) => exporter.with_endpoint(endpoint),
                None => exporter,
            };
            let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
            let processor = BatchSpanProcessor::builder(Tallied::new(exporter.build()?, &tally));
            traces = traces.with_span_processor(processor.with_batch_config(config).build());
        }

        let mut metrics = SdkMeterProvider::builder().with_resource(resource);
        for endpoint in endpoints("METRICS", "/v1/metrics") {
            let exporter =
                MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            let exporter = match endpoint {
                Some(endpoint) => exporter.with_endpoint(endpoint),
                None => exporter,
            };
            let exporter = Tallied::new(exporter.build()?, &tally);
            metrics = metrics.with_reader(PeriodicReader::builder(exporter).build());
        }

        let (traces, metrics) = (traces.build(), metrics.build());
        global::set_text_map_propagator(propagator()?);
        global::set_tracer_provider(traces.clone());
        global::set_meter_provider(metrics.clone());
        Ok(Self { traces, metrics, tally })
    }

    /// Exports what is left. Fails if anything of the whole run was not taken.
    pub(crate) fn shut_down(self) -> Result {
        let keep = |result: OTelSdkResult| result.unwrap_or_else(|error| self.tally.fail(&error));
        keep(self.traces.shutdown_with_timeout(PATIENCE));
        keep(self.metrics.shutdown_with_timeout(PATIENCE));
        match self.tally.failure() {
            None => Ok(()),
            Some(cause) => Err(format!(
                "telemetry was not exported: {cause}; does an OTLP/HTTP collector listen where \
                 OTEL_EXPORTER_OTLP_ENDPOINT says (http://localhost:4318 without it)?"
            )
            .into()),
        }
    }
}

/// For the requests that a web framework's instrumentation would trace.
pub(crate) fn web_server() -> BoxedTracer {
    let scope = InstrumentationScope::builder("shop")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url("https://opentelemetry.io/schemas/1.44.0")
        .build();
    global::tracer_with_scope(scope)
}

/// Where a signal goes: where the exporter reads in the environment (`None`), and to the collector
/// of `all`, if there is one.
fn endpoints(signal: &str, path: &str) -> Vec<Option<String>> {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let collector = set(COLLECTOR).map(|collector| format!("{collector}{path}"));
    let is_named = set(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")).is_some()
        || set("OTEL_EXPORTER_OTLP_ENDPOINT").is_some();
    let is_wanted = set(&format!("OTEL_{signal}_EXPORTER")).is_none_or(|it| it != "none")
        && (is_named || collector.is_none());
    is_wanted.then_some(None).into_iter().chain(collector.map(Some)).collect()
}

fn propagator() -> Result<TextMapCompositePropagator> {
    let names = env::var("OTEL_PROPAGATORS").unwrap_or_default();
    let names = if names.is_empty() { "tracecontext,baggage" } else { &names };
    let mut propagators: Vec<Box<dyn TextMapPropagator + Send + Sync>> = Vec::new();
    for name in names.split(',') {
        propagators.push(match name.trim() {
            "tracecontext" => Box::new(TraceContextPropagator::new()),
            "baggage" => Box::new(BaggagePropagator::new()),
            other => {
                return Err(format!(
                    "OTEL_PROPAGATORS may name tracecontext and baggage here, and not `{other}`"
                )
                .into());
            }
        });
    }
    Ok(TextMapCompositePropagator::new(propagators))
}
