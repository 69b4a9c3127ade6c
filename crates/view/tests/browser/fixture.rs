//! Spans to look at: orders on their way through services, and what is wrong or hostile.

use otel_messaging_view::{
    Spans,
    opentelemetry_proto::tonic::{
        common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
        resource::v1::Resource,
        trace::v1::{
            ResourceSpans, ScopeSpans, Span, Status,
            span::{Event, Link, SpanKind},
            status::StatusCode,
        },
    },
};

const START: u64 = 1_763_000_000_000_000_000;
const MICROS: u64 = 1_000;

pub(crate) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

pub(crate) fn text(key: &str, text: &str) -> KeyValue {
    attribute(key, Value::StringValue(text.into()))
}

fn number(key: &str, number: u64) -> KeyValue {
    attribute(key, Value::IntValue(i64::try_from(number).unwrap()))
}

/// Makes a span. Its ids are numbers, and times are in microseconds after the first one.
pub(crate) fn span(
    [trace, id, parent]: [u64; 3],
    name: &str,
    kind: SpanKind,
    [start, took]: [u64; 2],
    attributes: Vec<KeyValue>,
) -> Span {
    Span {
        trace_id: trace_id(trace),
        span_id: span_id(id),
        parent_span_id: if parent > 0 { span_id(parent) } else { Vec::new() },
        name: name.into(),
        kind: kind.into(),
        start_time_unix_nano: START + start * MICROS,
        end_time_unix_nano: START + (start + took) * MICROS,
        attributes,
        ..Default::default()
    }
}

fn trace_id(number: u64) -> Vec<u8> {
    (u128::from(number) | 0xabc << 116).to_be_bytes().into()
}

fn span_id(number: u64) -> Vec<u8> {
    (number | 0xabc << 52).to_be_bytes().into()
}

pub(crate) fn link(trace: u64, id: u64, attributes: Vec<KeyValue>) -> Link {
    Link { trace_id: trace_id(trace), span_id: span_id(id), attributes, ..Default::default() }
}

/// Wraps spans as a service exports them.
pub(crate) fn exported(service: &str, spans: Vec<Span>) -> ResourceSpans {
    let attributes = vec![text("service.name", service), text("service.version", "1.2.0")];
    let scope = InstrumentationScope {
        name: "otel-messaging-rdkafka".into(),
        version: "0.1.0".into(),
        ..Default::default()
    };
    ResourceSpans {
        resource: Some(Resource { attributes, ..Default::default() }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }],
        ..Default::default()
    }
}

fn kafka(operation: &str, destination: &str, offset: u64) -> Vec<KeyValue> {
    let kind = if operation == "commit" { "settle" } else { operation };
    vec![
        text("messaging.system", "kafka"),
        text("messaging.operation.name", operation),
        text("messaging.operation.type", kind),
        text("messaging.destination.name", destination),
        text("messaging.destination.partition.id", &(offset % 3).to_string()),
        number("messaging.kafka.offset", offset),
    ]
}

fn failed(span: Span, message: &str) -> Span {
    let status = Status { code: StatusCode::Error.into(), message: message.into() };
    Span { status: Some(status), ..span }
}

/// The orders of a shop: five spans each, and two traces. Each is billed, but the last one fails;
/// a ledger takes all invoices as one batch, with one link more to a span that is not there.
///
/// Order `n` has the spans `10 n + 1` (the request) to `10 n + 5`; the batch is span 9.
pub(crate) fn orders(count: u64) -> Spans {
    let (mut shop, mut billing, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for order in 1..=count {
        let (at, id) = (order * 3000, order * 10);
        let request = vec![text("http.request.method", "POST"), text("http.route", "/orders")];
        shop.push(span([id, id + 1, 0], "POST /orders", SpanKind::Server, [at, 21_000], request));
        let send = kafka("send", "orders", order);
        let times = [at + 1500, 14_000];
        shop.push(span([id, id + 2, id + 1], "send orders", SpanKind::Producer, times, send));
        // Some wait longer.
        let at = at + 4000 + order * 7919 % 13 * 900;
        let process = kafka("process", "orders", order);
        let mut process =
            span([id + 1, id + 3, 0], "process orders", SpanKind::Consumer, [at, 8000], process);
        process.links.push(link(id, id + 2, vec![]));
        if order == count {
            process = failed(process, "the card was declined");
        } else {
            let send = kafka("send", "invoices", order);
            let ids = [id + 1, id + 4, id + 3];
            let times = [at + 1200, 4300];
            billing.push(span(ids, "send invoices", SpanKind::Producer, times, send));
            let attributes = vec![number("messaging.kafka.offset", order)];
            links.push(link(id + 1, id + 4, attributes));
        }
        billing.push(process);
        let commit = kafka("commit", "orders", order);
        let ids = [id + 1, id + 5, id + 3];
        let mut commit = span(ids, "commit orders", SpanKind::Client, [at + 6200, 1500], commit);
        commit.links.push(link(id, id + 2, vec![]));
        billing.push(commit);
    }
    links.push(link(7, 7, vec![number("messaging.kafka.offset", count)]));
    let mut batch = kafka("process", "invoices", 0);
    batch.truncate(4);
    batch.push(number("messaging.batch.message_count", count));
    let times = [count * 3000 + 40_000, 95_000];
    let mut batch = span([9, 9, 0], "process invoices", SpanKind::Consumer, times, batch);
    batch.links = links;
    let mut spans = Spans::new();
    spans.add(exported("shop", shop));
    spans.add(exported("billing", billing));
    spans.add(exported("ledger", vec![batch]));
    spans
}

/// Text that would run in a page that does not escape it.
pub(crate) const HOSTILE: &str = "</script><script>window.ran = 1</script><img src=x \
    onerror=window.ran=2>\u{2028}\u{2029}<!--<script>\"'`${window.ran = 3}{{DATA}}&lt;\u{0}";

/// A span with hostile text in every field, one with a value of a million characters, and links
/// between them.
pub(crate) fn hostile() -> Spans {
    let huge = "x".repeat(1_000_000) + HOSTILE;
    let evil = || vec![text(HOSTILE, HOSTILE), text("messaging.destination.name", HOSTILE)];
    let mut bad = span([1, 1, 0], HOSTILE, SpanKind::Producer, [0, 5], evil());
    bad.attributes.push(text("messaging.system", HOSTILE));
    bad.trace_state = HOSTILE.into();
    bad.links = vec![link(1, 2, evil()), link(5, 5, evil())];
    bad.events = vec![Event { name: HOSTILE.into(), attributes: evil(), ..Default::default() }];
    let bad = failed(bad, HOSTILE);
    let mut large = span([1, 2, 1], &huge, SpanKind::Consumer, [1, 3], vec![text("huge", &huge)]);
    large.links = vec![link(1, 1, evil())];
    let mut wrapped = exported(HOSTILE, vec![bad, large]);
    let scope = &mut wrapped.scope_spans[0];
    scope.schema_url = HOSTILE.into();
    scope.scope = Some(InstrumentationScope {
        name: HOSTILE.into(),
        version: HOSTILE.into(),
        ..Default::default()
    });
    let mut spans = Spans::new();
    spans.add(wrapped);
    spans.read(HOSTILE, HOSTILE.as_bytes());
    spans
}
