//! Handlers in an application that uses `tracing`.
//!
//! With the feature `tracing`, a process span is a span of `tracing`: events land on it, and
//! functions with `#[instrument]` and tasks with `in_current_span` are below it. Jobs stand in for
//! messages, so that no broker is needed: a consumer's messages have the same methods.

mod telemetry;

use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};
use otel_messaging_core::{
    Batch, CreationContext, Instrumentation, Instrumenter, Received, Stored, System,
};
use tracing::{Instrument as _, info, info_span};

const JOBS: System = System::new("jobs", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

type Job = Received<Stored<u32>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let exporter = InMemorySpanExporter::default();
    let provider = telemetry::set_up(exporter.clone());
    let instrumenter = Instrumenter::builder(JOBS).build(&Instrumentation::default());
    let jobs: Vec<Job> =
        (7..10).map(|order| instrumenter.restore("orders", check_out(order), order)).collect();

    for job in &jobs {
        // Spans are made inside of the handler: `job.process(bill(..).instrument(info_span!(..)))`
        // would make the span before the process span, and apart from it.
        job.process(async {
            // Leads from the log to the sender's trace; the span has a link to it.
            info!(sender = %job.creation_context().span_context().trace_id(), "started");
            bill(*job.get_ref().get_ref()).await;
            // A task loses the span unless it is told: `in_current_span`, or a span of its own.
            let mail = async { info!("mailed") }.instrument(info_span!("mail"));
            tokio::spawn(mail).await
        })
        .await?;
    }

    let batch: Batch<Job> = jobs.into_iter().collect();
    batch.process(report(&batch)).await;

    provider.force_flush()?;
    for SpanData { name, parent_span_id, span_context, links, events, .. } in
        exporter.get_finished_spans()?
    {
        let links = links.iter().map(|link| format!(" -> {}", link.span_context.span_id()));
        let (id, links) = (span_context.span_id(), links.collect::<String>());
        println!("{id} in {parent_span_id}: {name}, {} events{links}", events.len());
    }
    Ok(())
}

/// A request of the day, in a trace of its own.
#[tracing::instrument]
fn check_out(order: u32) -> CreationContext {
    CreationContext::current()
}

#[tracing::instrument]
async fn bill(order: u32) {
    info!("billed");
}

/// One span with a link to every request.
#[tracing::instrument(skip_all)]
async fn report(batch: &Batch<Job>) {
    info!(orders = batch.len(), "reported");
}
