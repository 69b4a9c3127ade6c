//! `cargo xtask demo` as a person runs it. It needs no broker.

#![allow(clippy::unwrap_used, reason = "clippy spares test functions only, not what they call")]

mod support;

use std::{collections::BTreeSet, env, fs, io::Write, mem};

use otel_messaging_testing::collector::{Collected, Collector, service_of};
use tempfile::NamedTempFile;

use self::support::Run;

fn orders(args: &[&str], variables: &[(&str, &str)]) -> Run {
    support::run(env!("CARGO_BIN_EXE_orders"), args, variables)
}

/// Makes a file that is deleted at the end of the test.
fn file(content: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

fn orders_of(file: &NamedTempFile) -> Run {
    orders(&["--orders", file.path().to_str().unwrap()], &[])
}

#[test]
fn three_hundred_orders_become_one_batch() {
    // Metrics are exported several times, and each time contain what was exported before.
    orders(&[], &[("OTEL_METRIC_EXPORT_INTERVAL", "50")])
        .ends_with(0, "300 orders: 600 messages sent, 600 processed, 1800 links found, 0 missing")
        .shows("POST /orders * SERVER    shop ")
        .shows("└─ send orders * PRODUCER  shop ")
        .shows("process orders * CONSUMER  billing ")
        .shows("├─ send invoices * PRODUCER  billing ")
        .shows("... and 297 more like it (")
        .shows("process invoices * CONSUMER  ledger ")
        .shows("│  300 links (128 on the span, 172 on its children) → send invoices (billing) ")
        .shows("messaging.client.operation.duration  shop     send       orders * 300 ")
        .shows("messaging.client.sent.messages       billing  send       invoices * 300")
        .shows("messaging.client.consumed.messages   ledger   poll       invoices * 300")
        .shows("messaging.process.duration           ledger   process    invoices * 1 ")
        .shows("invoices * billing → ledger: 300 sent, 300 taken, 0 missing")
        .reports("ledger  | 300 of 300 orders");
}

#[test]
fn the_traces_are_written_as_a_page() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("orders.html");
    orders(&["--messages", "2", "--html", page.to_str().unwrap()], &[])
        .ends_with(0, "2 orders: 4 messages sent, 4 processed, 12 links found, 0 missing")
        .reports("the traces are in ");
    let page = fs::read_to_string(page).unwrap();
    for shown in ["<title>2 orders</title>", "send invoices", "ledger", "otel-messaging-rdkafka"] {
        assert!(page.contains(shown), "no {shown:?} in the page");
    }
    orders(&["--messages", "1", "--html", "/no/such/directory/page.html"], &[])
        .ends_with(1, "1 orders: 2 messages sent, 2 processed, 6 links found, 0 missing")
        .reports("failed: cannot write /no/such/directory/page.html");
}

#[test]
fn a_span_holds_as_many_links_as_it_is_told() {
    orders(&[], &[("OTEL_SPAN_LINK_COUNT_LIMIT", "300")])
        .ends_with(0, "300 orders: 600 messages sent, 600 processed, 1800 links found, 0 missing")
        .shows("   300 links → send invoices (billing) ");
}

#[test]
fn messages_without_their_context_are_missing() {
    orders(&["--messages", "4"], &[("OTEL_PROPAGATORS", "baggage")])
        .ends_with(1, "4 orders: 8 messages sent, 0 processed, 0 links found, 8 missing")
        .reports("4 of 4 orders cannot be followed from shop to billing (orders)")
        .reports("failed: something is missing: see above");
}

#[test]
fn lines_that_are_no_orders_are_reported_and_counted() {
    let large = |size| "x".repeat(size) + ",1";
    let [too_large, largest] = [large(1_000_000), large(998_000)];
    let lines = ["Ada,1", "", "Bob", "?,1", &too_large, &largest, "Grace,2.50\r\n"].join("\n");
    let lines = lines.into_bytes().into_iter().map(|it| if it == b'?' { 0xff } else { it });
    let file = file(&lines.collect::<Vec<u8>>());
    orders_of(&file)
        .ends_with(0, "3 orders: 6 messages sent, 6 processed, 18 links found, 0 missing")
        .shows("3 lines are orders, 4 are not")
        .reports("line 2 is not a `customer,amount`")
        .reports("line 3 is not a `customer,amount`")
        .reports("line 4 is not a `customer,amount`")
        .reports("line 5 is not a `customer,amount`");
}

#[test]
fn what_cannot_work_ends_with_advice() {
    orders_of(&file(b"\nnobody\n"))
        .ends_with(3, "0 lines are orders, 2 are not")
        .reports("no valid order");
    orders_of(&file(&b"Ada,1\n".repeat(10_001))).ends_with(2, "").reports("head -n 1000");
    orders(&["--orders", "/no/such/file"], &[]).ends_with(2, "").reports("cannot read");
    orders(&["--mesages", "3"], &[]).ends_with(2, "").reports("unexpected argument '--mesages'");
    orders(&["--messages", "0"], &[]).ends_with(2, "").reports("0 is not in 1..=10000");
    orders(&["--brokers", "localhost:1"], &[]).ends_with(1, "").reports("is Kafka there");
}

#[test]
fn telemetry_also_goes_to_the_users_collector() {
    let collector = Collector::start().unwrap();
    let endpoint = collector.endpoint();
    let run = |others: &[(&str, &str)]| {
        let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
        orders(&["--messages", "2"], &[&endpoint, others].concat())
            .ends_with(0, "2 orders: 4 messages sent, 4 processed, 12 links found, 0 missing")
            .shows("messaging.process.duration           ledger   process    invoices * 1 ");
        let Collected { spans, metrics, .. } = mem::take(&mut *collector.collected());
        let spans = spans.iter().map(|it| service_of(it.resource.as_ref()).to_owned());
        let metrics = metrics.iter().map(|it| service_of(it.resource.as_ref()).to_owned());
        (spans.collect::<BTreeSet<_>>().len(), metrics.collect::<BTreeSet<_>>().len())
    };
    assert_eq!(run(&[]), (3, 3));
    assert_eq!(run(&[("OTEL_METRICS_EXPORTER", "none")]), (3, 0));
    assert_eq!(run(&[("OTEL_TRACES_EXPORTER", "none")]), (0, 3));
    // A proxy is for what is not on loopback.
    assert_eq!(run(&[("HTTP_PROXY", "http://127.0.0.1:1")]), (3, 3));
}

#[test]
fn a_collector_that_is_not_there_is_reported() {
    orders(&["--messages", "2"], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")])
        .ends_with(1, "2 orders: 4 messages sent, 4 processed, 12 links found, 0 missing")
        .reports("shop    | failed: telemetry was not exported: ")
        .reports("OTEL_EXPORTER_OTLP_ENDPOINT");
}
