//! Tests R15 with a link limit from the SDK's environment variable, which the SDK and the core both
//! read. The test starts another process, to set the variable for it.

use std::{collections::HashSet, env, process::Command};

use opentelemetry::SpanId;
use otel_messaging_core::{Batch, CreationContext, Instrumentation, Instrumenter, System};
use otel_messaging_testing::telemetry::Telemetry;

const VARIABLE: &str = "OTEL_SPAN_LINK_COUNT_LIMIT";

#[test]
fn r15_the_environment_may_set_the_limit() {
    if env::var(VARIABLE).as_deref() == Ok("7") {
        return seven_links_a_span();
    }
    let child = Command::new(env::current_exe().unwrap()).env(VARIABLE, "7").output().unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && told.contains("1 passed"), "{told}");
}

fn seven_links_a_span() {
    let telemetry = Telemetry::new();
    let instrumentation =
        Instrumentation::builder().with_tracer_provider(telemetry.tracer_provider()).build();
    let instrumenter =
        Instrumenter::builder(System::new("jobs", "jobs", "1")).build(&instrumentation);
    let batch: Batch<_> = (1..=20)
        .map(|id| {
            let traceparent = format!("00-{id:032x}-{id:016x}-01");
            let context = CreationContext::from_map([("traceparent", traceparent)]);
            instrumenter.restore("nightly", context, id)
        })
        .collect();
    batch.process_sync(|| ());
    let spans = telemetry.spans();
    let counts: Vec<usize> = spans.iter().map(|span| span.links.len()).collect();
    assert_eq!(counts, [7, 6, 7], "two child spans for links, then the span itself");
    let links = spans.iter().flat_map(|span| span.links.iter());
    let linked: HashSet<SpanId> = links.map(|link| link.span_context.span_id()).collect();
    assert_eq!(linked.len(), 20);
}
