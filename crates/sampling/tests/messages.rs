//! Whole chains through instrumented clients, whose contexts travel in the headers of messages.

#![allow(clippy::unwrap_used, reason = "clippy spares test functions only, not what they call")]

use std::collections::HashMap;

use opentelemetry::{TraceId, trace::SpanKind};
use opentelemetry_sdk::trace::{IdGenerator, Sampler};
use otel_messaging_core::{Instrumentation, Propagation, Trust};
use otel_messaging_sampling::LinkSampler;
use otel_messaging_testing::{
    telemetry::{FinishedSpan, Telemetry},
    toy::{Broker, Consumer, Producer, Record},
};

mod support;

use support::Ids;

const MESSAGES: usize = 400;

fn telemetry() -> (Telemetry, Instrumentation) {
    trusting(Trust::Full)
}

fn trusting(trust: Trust) -> (Telemetry, Instrumentation) {
    let sampler = Sampler::parent_based(LinkSampler::sticky(Sampler::TraceIdRatioBased(0.3)));
    let telemetry = Telemetry::builder().with_sampler(sampler).build();
    let instrumentation = Instrumentation::builder()
        .with_propagator(Propagation::TraceContext)
        .with_tracer_provider(telemetry.tracer_provider())
        .with_meter_provider(telemetry.meter_provider())
        .with_trust(trust)
        .build();
    (telemetry, instrumentation)
}

/// Returns the kept spans by the trace of their first link; spans without links by their own.
fn by_cause(telemetry: &Telemetry) -> HashMap<TraceId, Vec<FinishedSpan>> {
    let mut spans = HashMap::<_, Vec<_>>::new();
    for span in telemetry.spans() {
        let cause = span.links.links.first().map(|link| link.span_context.trace_id());
        let cause = cause.unwrap_or_else(|| span.span_context.trace_id());
        spans.entry(cause).or_default().push(span);
    }
    spans
}

fn count(spans: &[FinishedSpan], kind: &SpanKind) -> usize {
    spans.iter().filter(|span| span.span_kind == *kind).count()
}

#[tokio::test]
async fn all_spans_of_a_message_are_kept_or_none() {
    let (telemetry, instrumentation) = telemetry();
    let broker = Broker::new(1);
    let producer = Producer::new(&broker, &instrumentation);
    let consumer = Consumer::new(&broker, ["orders"], &instrumentation);
    for _ in 0..MESSAGES {
        producer.send(Record::new("orders", "7 apples")).await.unwrap();
        let order = consumer.receive().await.unwrap();
        // Settled first: its span has no parent and a trace of its own, as the other two.
        consumer.ack(&order).unwrap();
        order.process(async {}).await;
    }
    let spans = by_cause(&telemetry);
    assert!((40..MESSAGES - 40).contains(&spans.len()), "{} messages are kept", spans.len());
    for spans in spans.values() {
        assert_eq!(count(spans, &SpanKind::Producer), 1, "{spans:#?}");
        assert_eq!(count(spans, &SpanKind::Consumer), 1, "{spans:#?}");
        assert_eq!(count(spans, &SpanKind::Client), 2, "receive and ack: {spans:#?}");
    }
}

#[tokio::test]
async fn three_hops_are_kept_or_none() {
    let (telemetry, instrumentation) = telemetry();
    let broker = Broker::new(1);
    let producer = Producer::new(&broker, &instrumentation);
    let consumer = |topic| Consumer::new(&broker, [topic], &instrumentation);
    let (orders, invoices) = (consumer("orders"), consumer("invoices"));
    for _ in 0..MESSAGES {
        producer.send(Record::new("orders", "7 apples")).await.unwrap();
        let order = orders.receive().await.unwrap();
        let bill = async { producer.send(Record::new("invoices", "7")).await };
        order.process(bill).await.unwrap();
        invoices.receive().await.unwrap().process(async {}).await;
    }
    let spans = telemetry.spans();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).count();
    let kept = named("publish orders");
    assert!((40..MESSAGES - 40).contains(&kept), "{kept} orders are kept");
    for name in ["process orders", "publish invoices", "fetch invoices", "process invoices"] {
        assert_eq!(named(name), kept, "{name}");
    }
    // Each link leads to a span that was kept.
    let ids: Vec<_> = spans.iter().map(|span| span.span_context.span_id()).collect();
    for link in spans.iter().flat_map(|span| &span.links.links) {
        assert!(ids.contains(&link.span_context.span_id()), "{link:#?}");
    }
}

#[tokio::test]
async fn all_spans_of_a_batch_are_kept_or_none() {
    let (telemetry, instrumentation) = telemetry();
    let broker = Broker::new(1);
    let producer = Producer::new(&broker, &instrumentation);
    let consumer = Consumer::new(&broker, ["orders"], &instrumentation);
    for _ in 0..MESSAGES {
        for _ in 0..5 {
            producer.send(Record::new("orders", "7 apples")).await.unwrap();
        }
        let batch = consumer.receive_batch(5).await.unwrap();
        assert_eq!(batch.len(), 5);
        batch.process(async {}).await;
    }
    let mut spans = by_cause(&telemetry);
    spans.retain(|_, spans| spans.iter().any(|span| span.span_kind != SpanKind::Producer));
    assert!((40..MESSAGES - 40).contains(&spans.len()), "{} batches are kept", spans.len());
    for spans in spans.values() {
        for kind in [SpanKind::Producer, SpanKind::Client, SpanKind::Consumer] {
            assert_eq!(count(spans, &kind), 1, "{kind:?}: {spans:#?}");
        }
    }
}

/// Processes messages that all have an origin which the root sampler keeps, and trace ids at random.
/// Returns how many spans are kept, and how many of these have a link.
async fn kept_with_a_forged_origin(trust: Trust) -> (usize, usize) {
    let (telemetry, instrumentation) = trusting(trust);
    let broker = Broker::new(1);
    let consumer = Consumer::new(&broker, ["orders"], &instrumentation);
    let ids = Ids::new(1);
    for _ in 0..MESSAGES {
        let traceparent = format!("00-{}-{}-01", ids.new_trace_id(), ids.new_span_id());
        let tracestate = format!("otelmsg={}", TraceId::from(1));
        let headers = [("traceparent", traceparent), ("tracestate", tracestate)];
        let headers = headers.map(|(name, value)| (name.to_owned(), Some(value.into_bytes())));
        let record = Record { headers: headers.into(), ..Record::new("orders", "7 apples") };
        broker.store(record).await.unwrap();
        consumer.receive().await.unwrap().process(async {}).await;
    }
    let mut spans = telemetry.spans();
    spans.retain(|span| span.span_kind == SpanKind::Consumer);
    (spans.len(), spans.iter().filter(|span| !span.links.links.is_empty()).count())
}

#[tokio::test]
async fn trust_says_whether_an_origin_is_believed() {
    assert_eq!(kept_with_a_forged_origin(Trust::Full).await, (MESSAGES, MESSAGES));
    let (kept, linked) = kept_with_a_forged_origin(Trust::Links).await;
    assert!((40..MESSAGES - 40).contains(&kept), "{kept} are kept");
    assert_eq!(linked, kept);
    let (kept, linked) = kept_with_a_forged_origin(Trust::None).await;
    assert!((40..MESSAGES - 40).contains(&kept), "{kept} are kept");
    assert_eq!(linked, 0);
}
