//! What an instrumented build has besides: providers, here ones that show their spans at the end.

use std::error::Error;

use opentelemetry::global;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

/// The spans of the whole application.
pub(crate) struct Telemetry(InMemorySpanExporter);

impl Telemetry {
    pub(crate) fn start() -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        global::set_tracer_provider(provider);
        Self(exporter)
    }

    /// On standard error: what the application itself says is the same in both builds.
    pub(crate) fn show(&self) -> Result<(), Box<dyn Error>> {
        for span in self.0.get_finished_spans()? {
            eprintln!("{:<16} {} links", span.name, span.links.links.len());
        }
        Ok(())
    }
}
