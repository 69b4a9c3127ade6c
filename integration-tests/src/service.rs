//! A service with a process of its own, which exports over OTLP as the environment says.

use std::error::Error;

use opentelemetry::global;
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider, trace::SdkTracerProvider};

/// Runs a service's work with global providers, and exports what it recorded.
///
/// # Errors
/// The errors of the work and of the export.
pub fn exporting(
    name: &'static str,
    work: impl Future<Output = Result<(), Box<dyn Error>>>,
) -> Result<(), Box<dyn Error>> {
    let resource = Resource::builder().with_service_name(name).build();
    let spans = SpanExporter::builder().with_http().build()?;
    let tracer_provider = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(spans)
        .build();
    let metrics = MetricExporter::builder().with_http().build()?;
    let meter_provider =
        SdkMeterProvider::builder().with_resource(resource).with_periodic_exporter(metrics).build();
    global::set_tracer_provider(tracer_provider.clone());
    global::set_meter_provider(meter_provider.clone());
    let runtime = tokio::runtime::Runtime::new()?;
    let worked = runtime.block_on(work);
    // After the runtime: what still runs there is part of the story.
    drop(runtime);
    tracer_provider.shutdown()?;
    meter_provider.shutdown()?;
    worked
}
