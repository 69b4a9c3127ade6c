//! Two services in processes of their own, which export to one collector.

use std::{collections::HashMap, process::Command};

use opentelemetry_proto::tonic::{
    common::v1::{InstrumentationScope, KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind},
};
use otel_messaging_integration_tests::kafka;
use otel_messaging_rdkafka::otel::semconv;
use otel_messaging_testing::collector::{Collector, service_of};

use crate::topics::Topics;

const ORDERS: usize = 20;

/// A finished span, and where it was made.
struct Exported {
    service: String,
    scope: InstrumentationScope,
    schema_url: String,
    span: Span,
}

/// Runs a service until it ends. The environment says where it exports to.
fn run(program: &str, collector: &Collector, arguments: &[&str]) {
    let status = Command::new(program)
        .args(arguments)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .status();
    assert!(status.expect("the service starts").success(), "{program} failed: see above");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_two_processes_are_linked_at_the_collector() {
    let topics = Topics::new();
    let orders = topics.make_one("orders", 1).await;
    let group = topics.full_name("billing");
    let collector = Collector::start().unwrap();
    let (servers, count) = (kafka(), ORDERS.to_string());
    tokio::task::block_in_place(|| {
        run(env!("CARGO_BIN_EXE_shop"), &collector, &[&servers, &orders, &count]);
        run(env!("CARGO_BIN_EXE_billing"), &collector, &[&servers, &orders, &group, &count]);
    });

    let collected = collector.collected();
    assert_eq!(collected.refused, [""; 0]);
    let mut spans: HashMap<String, Vec<Exported>> = HashMap::new();
    for resource in &collected.spans {
        for scope in &resource.scope_spans {
            for span in &scope.spans {
                spans.entry(span.name.clone()).or_default().push(Exported {
                    service: service_of(resource.resource.as_ref()).to_owned(),
                    scope: scope.scope.clone().unwrap(),
                    schema_url: scope.schema_url.clone(),
                    span: span.clone(),
                });
            }
        }
    }
    for exported in spans.values().flatten() {
        assert_eq!(exported.scope.name, "otel-messaging-rdkafka");
        assert_eq!(exported.scope.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(exported.schema_url, semconv::SCHEMA_URL);
    }
    let mut of = |verb: &str, service: &str, kind: SpanKind| -> Vec<Span> {
        let spans = spans.remove(&format!("{verb} {orders}")).unwrap_or_default();
        assert!(spans.iter().all(|span| span.service == service), "{verb} is of {service}");
        let mut spans: Vec<Span> = spans.into_iter().map(|exported| exported.span).collect();
        assert!(spans.iter().all(|span| span.kind == i32::from(kind)), "{verb} is {kind:?}");
        spans.sort_by_key(|span| span.start_time_unix_nano);
        spans
    };
    let sent = of("send", "shop", SpanKind::Producer);
    let polled = of("poll", "billing", SpanKind::Client);
    let processed = of("process", "billing", SpanKind::Consumer);
    let committed = of("commit", "billing", SpanKind::Client);
    assert_eq!(spans.keys().collect::<Vec<_>>(), [""; 0], "there are no other spans");
    let alone = ORDERS / 2;
    assert_eq!((sent.len(), committed.len()), (ORDERS, alone));
    for received in [&polled, &processed] {
        assert_eq!(received.len(), alone + 1, "one for each, and one for the batch");
        let linked: Vec<_> = received.iter().map(links).collect();
        let by_one: Vec<_> = sent[..alone].iter().map(|send| vec![id(send)]).collect();
        let together: Vec<_> = sent[alone..].iter().map(id).collect();
        assert_eq!(linked[..alone], by_one);
        assert_eq!(linked[alone], together, "the batch links to every one of its messages");
    }
    for ((commit, process), send) in committed.iter().zip(&processed).zip(&sent) {
        assert_eq!(links(commit), [id(send)]);
        assert_eq!(
            (&commit.trace_id, &commit.parent_span_id),
            (&process.trace_id, &process.span_id)
        );
    }
    for span in sent.iter().chain(&polled).chain(&processed) {
        assert_eq!(text(&span.attributes, semconv::DESTINATION_NAME), orders);
    }

    let mut metrics: HashMap<String, Vec<String>> = HashMap::new();
    for resource in &collected.metrics {
        let names = resource.scope_metrics.iter().flat_map(|scope| &scope.metrics);
        let service = service_of(resource.resource.as_ref()).to_owned();
        metrics.entry(service).or_default().extend(names.map(|metric| metric.name.clone()));
    }
    for names in metrics.values_mut() {
        names.sort();
        // A service that takes long exports more than once.
        names.dedup();
    }
    let duration = "messaging.client.operation.duration";
    let expected = [
        (
            "billing",
            vec!["messaging.client.consumed.messages", duration, "messaging.process.duration"],
        ),
        ("shop", vec![duration, "messaging.client.sent.messages"]),
    ];
    for (service, names) in expected {
        assert_eq!(metrics.remove(service).unwrap_or_default(), names, "{service}");
    }
    assert_eq!(metrics.keys().collect::<Vec<_>>(), [""; 0], "there are no other services");
}

/// Returns the trace and the span id, as links have them.
fn id(span: &Span) -> (Vec<u8>, Vec<u8>) {
    (span.trace_id.clone(), span.span_id.clone())
}

fn links(span: &Span) -> Vec<(Vec<u8>, Vec<u8>)> {
    span.links.iter().map(|link| (link.trace_id.clone(), link.span_id.clone())).collect()
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let attribute = attributes.iter().find(|attribute| attribute.key == key);
    match attribute.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key} is {other:?}"),
    }
}
