//! Sets up the global providers of a service, which export as the standard variables say.

use opentelemetry::{
    global,
    propagation::{TextMapCompositePropagator, TextMapPropagator},
};
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, SpanExporter, WithExportConfig,
};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    propagation::{BaggagePropagator, TraceContextPropagator},
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider},
};

use otel_messaging::otel::{Instrumentation, ProcessParent};

use crate::{Result, sampled, service::variable};

/// The variable with the demo's own collector, which gets all telemetry whatever the standard
/// variables say.
pub const COLLECTOR: &str = "OTEL_MESSAGING_DEMO_COLLECTOR";

/// The variable that asks for one trace for producer and consumer, where there is one message.
pub const ONE_TRACE: &str = "OTEL_MESSAGING_DEMO_ONE_TRACE";

/// What the help of a program says about export.
pub const HELP: &str = "\
With OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and .._METRICS_ENDPOINT) \
set, traces and metrics also go there, over OTLP http/protobuf. OTEL_TRACES_EXPORTER=none or \
OTEL_METRICS_EXPORTER=none leaves one of them out.";

/// How many spans wait for their export at most. It is more than a run makes in a moment.
const QUEUE: usize = 32 * 1024;

/// Returns the options of what consumes messages. The ids of the sender are attributes of process
/// spans, because a viewer may not be able to search by links.
pub fn instrumentation() -> Instrumentation {
    let builder = Instrumentation::builder().with_creation_context_attributes(true);
    match variable(ONE_TRACE) {
        Some(_) => builder.with_process_parent(ProcessParent::CreationContextIfNoAmbient),
        None => builder,
    }
    .build()
}

/// The providers of a service, which are shut down when its work is done.
#[derive(Debug)]
pub struct Telemetry {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

impl Telemetry {
    /// Sets the global providers and the global propagator.
    pub fn set_up(service: &'static str) -> Result<Self> {
        let not_built = |error: ExporterBuildError| {
            format!("cannot export telemetry: {error}; check the OTEL_EXPORTER_OTLP_ variables")
        };
        let resource = Resource::builder().with_service_name(service).build();
        let mut traces = SdkTracerProvider::builder().with_resource(resource.clone());
        if let Some(sampler) = sampled::sampler()? {
            traces = traces.with_sampler(sampler);
        }
        for endpoint in endpoints("TRACES", "/v1/traces") {
            let mut exporter =
                SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            if let Some(endpoint) = endpoint {
                exporter = exporter.with_endpoint(endpoint);
            }
            let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
            let processor = BatchSpanProcessor::builder(exporter.build().map_err(not_built)?);
            traces = traces.with_span_processor(processor.with_batch_config(config).build());
        }

        let mut metrics = SdkMeterProvider::builder().with_resource(resource);
        for endpoint in endpoints("METRICS", "/v1/metrics") {
            let mut exporter =
                MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            if let Some(endpoint) = endpoint {
                exporter = exporter.with_endpoint(endpoint);
            }
            metrics = metrics
                .with_reader(PeriodicReader::builder(exporter.build().map_err(not_built)?).build());
        }

        let (traces, metrics) = (traces.build(), metrics.build());
        global::set_text_map_propagator(propagator());
        global::set_tracer_provider(traces.clone());
        global::set_meter_provider(metrics.clone());
        Ok(Self { traces, metrics })
    }

    /// Exports what is left. Fails if a collector did not take it.
    pub fn shut_down(self) -> Result {
        // The shutdown of traces does not say whether its export failed.
        let (spans, metrics) = (self.traces.force_flush(), self.metrics.shutdown());
        let _ = self.traces.shutdown();
        spans.and(metrics).map_err(|error| {
            format!(
                "telemetry was not exported: {error}; does an OTLP/HTTP collector listen where \
                 OTEL_EXPORTER_OTLP_ENDPOINT says (http://localhost:4318 without it)?"
            )
            .into()
        })
    }
}

/// Returns where a signal goes: `None` is where the exporter reads in the environment, and `Some`
/// the demo's own collector.
fn endpoints(signal: &str, path: &str) -> Vec<Option<String>> {
    let collector = variable(COLLECTOR).map(|collector| format!("{collector}{path}"));
    let is_named = variable(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")).is_some()
        || variable("OTEL_EXPORTER_OTLP_ENDPOINT").is_some();
    let is_wanted = variable(&format!("OTEL_{signal}_EXPORTER")).is_none_or(|it| it != "none")
        && (is_named || collector.is_none());
    is_wanted.then_some(None).into_iter().chain(collector.map(Some)).collect()
}

fn propagator() -> TextMapCompositePropagator {
    let names = variable("OTEL_PROPAGATORS").unwrap_or("tracecontext,baggage".into());
    let mut propagators: Vec<Box<dyn TextMapPropagator + Send + Sync>> = Vec::new();
    if names.contains("tracecontext") {
        propagators.push(Box::new(TraceContextPropagator::new()));
    }
    if names.contains("baggage") {
        propagators.push(Box::new(BaggagePropagator::new()));
    }
    TextMapCompositePropagator::new(propagators)
}
