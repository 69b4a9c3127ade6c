//! Tests creation contexts that are stored in a database, and linked when the rows are processed.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use opentelemetry::{
    Context, KeyValue, SpanId,
    baggage::BaggageExt as _,
    trace::{SpanKind, TraceContextExt as _, Tracer as _},
};
use opentelemetry_sdk::trace::SamplingDecision;
use otel_messaging_core::{Batch, CreationContext, Instrumentation, Instrumenter, System};
use otel_messaging_testing::{
    spans::{remote, span},
    telemetry::{SeenBySampler, Telemetry},
};

const OUTBOX: System = System::new("outbox", "my-shop", "1.2.3");

/// Returns the creation context that the application stores with each row.
fn stored(telemetry: &Telemetry, name: &'static str) -> BTreeMap<String, String> {
    let context = Context::new().with_span(telemetry.tracer().start(name));
    let context = context.with_baggage([KeyValue::new("tenant", "north")]);
    let _current = context.attach();
    CreationContext::current().to_map()
}

fn outbox(telemetry: &Telemetry) -> Instrumenter {
    let instrumentation = Instrumentation::builder()
        .with_tracer_provider(telemetry.tracer_provider())
        .with_meter_provider(telemetry.meter_provider())
        .build();
    Instrumenter::builder(OUTBOX).build(&instrumentation)
}

#[test]
fn a_stored_context_is_linked_when_its_row_is_processed() {
    let telemetry = Telemetry::new();
    let row = stored(&telemetry, "checkout");
    // A column may contain a string map, or JSON by `serde`.
    let creation = CreationContext::from_map(&row);
    let json = serde_json::to_string(&creation).unwrap();
    assert_eq!(json, serde_json::to_string(&row).unwrap());
    let restored: CreationContext = serde_json::from_str(&json).unwrap();
    assert_eq!(restored, creation);

    let job = outbox(&telemetry).restore("invoices", restored, "invoice 7");
    let tenant = job.process_sync(|| {
        let tenant = Context::map_current(|context| context.baggage().get("tenant").cloned());
        assert_eq!(job.get_ref().get_ref(), &"invoice 7");
        tenant.ok_or(std::fmt::Error)
    });
    assert_eq!(tenant.unwrap().as_str(), "north");
    telemetry.assert_spans([
        span("checkout").label("checkout"),
        span("process invoices").kind(SpanKind::Consumer).linked_to(remote("checkout")).attributes(
            [
                ("messaging.system", "outbox".into()),
                ("messaging.operation.name", "process".into()),
                ("messaging.operation.type", "process".into()),
                ("messaging.destination.name", "invoices".into()),
            ],
        ),
    ]);
}

/// Asserts that a batch of rows without a broker links all of their creation contexts.
#[test]
fn a_batch_of_500_stored_rows_links_them_all() {
    let sampler = SeenBySampler::new(SamplingDecision::RecordAndSample);
    let telemetry = Telemetry::builder().with_sampler(sampler.clone()).build();
    let rows: Vec<(u32, String)> = (0..500)
        .map(|id| (id, serde_json::to_string(&stored(&telemetry, "checkout")).unwrap()))
        .collect();
    let causes: HashSet<SpanId> =
        telemetry.spans().iter().map(|span| span.span_context.span_id()).collect();
    assert_eq!(causes.len(), 500);
    telemetry.clear();

    let outbox = outbox(&telemetry);
    let batch: Batch<_> = rows
        .iter()
        .map(|(id, context)| {
            let context = serde_json::from_str(context).unwrap();
            outbox.restore("invoices", context, *id)
        })
        .collect();
    let batch = batch
        .with_link_attributes(|row| vec![KeyValue::new("invoice.id", i64::from(**row.get_ref()))]);
    let written = batch.process_sync(|| Ok::<_, std::fmt::Error>(batch.len()));
    assert_eq!(written, Ok(500));

    let spans = telemetry.spans();
    let process = spans.iter().find(|span| span.name == "process invoices").unwrap();
    let count = |key: &str| process.attributes.iter().find(|a| a.key.as_str() == key).cloned();
    let counted = Some(KeyValue::new("messaging.batch.message_count", 500));
    assert_eq!(count("messaging.batch.message_count"), counted);
    let links: Vec<_> = spans.iter().flat_map(|span| &span.links.links).collect();
    let linked: HashSet<SpanId> = links.iter().map(|link| link.span_context.span_id()).collect();
    assert_eq!((links.len(), linked), (500, causes), "one link for each row");
    let named: HashSet<_> = links.iter().map(|link| format!("{:?}", link.attributes)).collect();
    assert_eq!(named.len(), 500, "each link has its row's id");
    let seen = sampler.seen().into_iter().find(|seen| seen.name == "process invoices").unwrap();
    assert_eq!(seen.links.len(), 500, "the sampler sees all links");
}

#[test]
fn a_row_without_a_context_is_processed_without_a_link() {
    let telemetry = Telemetry::new();
    let garbage: CreationContext = serde_json::from_str(r#"{"traceparent":"00-x"}"#).unwrap();
    let outbox = outbox(&telemetry);
    let rows = [("invoice 7", garbage), ("invoice 8", CreationContext::NONE)];
    let batch: Batch<_> =
        rows.into_iter().map(|(row, context)| outbox.restore("invoices", context, row)).collect();
    batch.process_sync(|| ());
    let spans = telemetry.spans();
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].links.len(), 0);
}

#[test]
fn no_link_attributes_are_built_with_tracing_off() {
    let telemetry = Telemetry::new();
    let creation = CreationContext::from_map(&stored(&telemetry, "checkout"));
    telemetry.clear();
    let instrumentation = Instrumentation::builder()
        .with_tracer_provider(telemetry.tracer_provider())
        .with_tracing(false)
        .build();
    let instrumenter = Instrumenter::builder(OUTBOX).build(&instrumentation);
    let asked = Arc::new(AtomicI64::new(0));
    let attributes = {
        let asked = Arc::clone(&asked);
        move |_: &_| vec![KeyValue::new("row", asked.fetch_add(1, Ordering::Relaxed))]
    };
    let rows: Batch<_> = [instrumenter.restore("invoices", creation, "row")].into_iter().collect();
    rows.with_link_attributes(attributes).process_sync(|| ());
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    telemetry.assert_spans([]);
}
