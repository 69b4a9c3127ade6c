//! The map's edges come from links, parents and attributes together.

use otel_messaging_view::{
    Map, Node, Spans, Traces,
    opentelemetry_proto::tonic::{
        common::v1::{AnyValue, KeyValue, any_value::Value},
        trace::v1::{
            Span, Status,
            span::{Link, SpanKind},
            status::StatusCode,
        },
    },
};

use super::by_hand::{exported, text};

const MILLIS: u64 = 1_000_000;

/// Makes a span that begins at `start`, in milliseconds. Its id is `id`, in trace 1.
fn span(id: u8, kind: SpanKind, start: u64, attributes: &[(&str, &str)]) -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![id; 8],
        name: format!("span {id}"),
        kind: kind.into(),
        start_time_unix_nano: start * MILLIS,
        end_time_unix_nano: (start + 1) * MILLIS,
        attributes: attributes.iter().map(|(key, value)| text(key, value)).collect(),
        ..Default::default()
    }
}

fn linked(mut span: Span, targets: &[u8]) -> Span {
    span.links.extend(targets.iter().map(|&it| Link {
        trace_id: vec![1; 16],
        span_id: vec![it; 8],
        ..Default::default()
    }));
    span
}

fn messaging<'a>(
    system: &'a str,
    operation: &'a str,
    destination: &'a str,
) -> [(&'a str, &'a str); 3] {
    [
        ("messaging.system", system),
        ("messaging.operation.type", operation),
        ("messaging.destination.name", destination),
    ]
}

fn map(services: Vec<(&str, Vec<Span>)>) -> Map {
    let mut spans = Spans::new();
    for (service, of) in services {
        spans.add(exported(service, of));
    }
    Traces::new(spans).map()
}

/// Writes each edge in a line: count, errors, median and 95th percentile in milliseconds.
fn lines(map: &Map) -> Vec<String> {
    let name = |node: usize| match &map.nodes[node] {
        Node::Service(name) => name.clone(),
        Node::Destination { system, name } => format!("{system}:{name}"),
    };
    let millis = |it: Option<i64>| it.map_or("-".into(), |it| (it / 1_000_000).to_string());
    let line = |it: &otel_messaging_view::Edge| {
        let (from, to) = (name(it.from), name(it.to));
        let (median, p95) = (millis(it.quantile(0.5)), millis(it.quantile(0.95)));
        format!("{from} -> {to}: {} {} {median} {p95}", it.count, it.errors)
    };
    map.edges.iter().map(line).collect()
}

#[test]
fn links_join_the_two_names_of_a_destination() {
    // RabbitMQ's consumers name their queue.
    let sent = |id, at| span(id, SpanKind::Producer, at, &messaging("rabbitmq", "send", "x:key"));
    let taken = |id, at, operation, from| {
        let attributes = messaging("rabbitmq", operation, "x:key:queue");
        linked(span(id, SpanKind::Consumer, at, &attributes), &[from])
    };
    let mut failed = taken(14, 90, "process", 4);
    failed.status = Some(Status { code: StatusCode::Error.into(), ..Default::default() });
    let shop = (1..=4).map(|id| sent(id, 10)).collect();
    let mailer = vec![
        taken(11, 20, "process", 1),
        taken(12, 40, "process", 2),
        taken(13, 60, "process", 3),
        failed,
        // A service that processes is not counted twice.
        taken(21, 15, "receive", 1),
        // A settlement is no message.
        linked(span(31, SpanKind::Client, 70, &messaging("rabbitmq", "settle", "x:key")), &[1]),
    ];
    let watcher = vec![taken(41, 12, "receive", 1)];
    let map = map(vec![("shop", shop), ("mailer", mailer), ("watcher", watcher)]);
    assert_eq!(
        lines(&map),
        [
            "shop -> rabbitmq:x:key: 4 0 - -",
            "rabbitmq:x:key -> mailer: 4 1 30 80",
            "rabbitmq:x:key -> watcher: 1 0 2 2",
        ]
    );
}

#[test]
fn parents_and_attributes_say_what_links_do_not() {
    let sent = span(1, SpanKind::Producer, 10, &messaging("kafka", "send", "orders"));
    // The older conventions, and a parent in place of a link.
    let old = [
        ("messaging.system", "kafka"),
        ("messaging.operation", "deliver"),
        ("messaging.destination.name", "orders"),
    ];
    let mut child = span(2, SpanKind::Consumer, 17, &old);
    child.parent_span_id = vec![1; 8];
    // Messages without a context are counted, and have no time.
    let mut batch = span(3, SpanKind::Consumer, 20, &messaging("kafka", "process", "orders"));
    let count = Some(AnyValue { value: Some(Value::IntValue(5)) });
    let key = "messaging.batch.message_count".to_owned();
    batch.attributes.push(KeyValue { key, value: count, ..Default::default() });
    let batch = linked(batch, &[1]);
    // A call is an edge between services.
    let call = span(4, SpanKind::Client, 30, &[("http.request.method", "GET")]);
    let mut served = span(5, SpanKind::Server, 31, &[]);
    served.parent_span_id = vec![4; 8];
    let map = map(vec![
        ("shop", vec![sent]),
        ("billing", vec![child, batch, call]),
        ("rates", vec![served]),
    ]);
    assert_eq!(
        lines(&map),
        [
            "billing -> rates: 1 0 1 1",
            "shop -> kafka:orders: 1 0 - -",
            "kafka:orders -> billing: 6 0 7 10",
        ]
    );
}

#[test]
fn temporary_destinations_share_a_node_and_templates_name_theirs() {
    let mut reply = span(1, SpanKind::Producer, 10, &messaging("nats", "send", "_INBOX.a7"));
    let value = Some(AnyValue { value: Some(Value::BoolValue(true)) });
    let key = "messaging.destination.temporary".to_owned();
    reply.attributes.push(KeyValue { key, value, ..Default::default() });
    let nameless = [("messaging.system", "nats"), ("messaging.operation.type", "receive")];
    let mut got = linked(span(2, SpanKind::Client, 5, &nameless), &[1]);
    got.end_time_unix_nano = 11 * MILLIS;
    let mut templated = messaging("nats", "send", "orders.eu.7").to_vec();
    templated.push(("messaging.destination.template", "orders.*.*"));
    let sent = span(3, SpanKind::Producer, 10, &templated);
    let map = map(vec![("stock", vec![reply]), ("shop", vec![got, sent])]);
    assert_eq!(
        lines(&map),
        [
            "shop -> nats:orders.*.*: 1 0 - -",
            "stock -> nats:replies of stock: 1 0 - -",
            // Waiting began before the reply was sent, and ended with it.
            "nats:replies of stock -> shop: 1 0 1 1",
        ]
    );
}
