//! Each thing that can be missing, and that it is found.

use super::*;
use opentelemetry::trace::SpanContext;
use otel_messaging_examples::traces::{
    Exported,
    by_hand::{overflow, span},
};

/// The spans of one order have ids from ten times its number on.
fn id(order: u64, nth: u64) -> u64 {
    order * 100 + nth
}

fn context(spans: &[Exported], id: u64) -> SpanContext {
    spans.iter().map(|it| &it.span.span_context).find(|it| named(it) == id).unwrap().clone()
}

/// The number that a span was made with.
fn named(context: &SpanContext) -> u64 {
    u64::from_be_bytes(context.span_id().to_bytes()) >> 32
}

fn sent(service: &'static str, system: &'static str, id: u64) -> Exported {
    let it = span(service, SpanKind::Producer, "publish", id).doing("send");
    it.with("messaging.system", system)
}

fn processed(service: &'static str, id: u64) -> Exported {
    span(service, SpanKind::Consumer, "process", id).doing("process")
}

/// All spans of an order but nightly's.
fn order(number: u64) -> Vec<Exported> {
    let at = |nth| id(number, nth);
    let mut spans = vec![span("shop", SpanKind::Server, "POST /orders", at(0))];
    let child = |spans: &[Exported], it: Exported, of| it.child_of(&context(spans, of));
    let linked = |spans: &[Exported], it: Exported, to| it.linked_to(&context(spans, to));
    spans.push(child(&spans, sent("shop", "nats", at(1)), at(0)));
    spans.push(linked(&spans, processed("stock", at(2)), at(1)));
    spans.push(child(&spans, sent("stock", "nats", at(3)), at(2)));
    let answer = span("shop", SpanKind::Client, "receive", at(4)).doing("receive");
    spans.push(linked(&spans, child(&spans, answer, at(0)), at(3)));
    spans.push(child(&spans, sent("shop", "kafka", at(5)), at(0)));
    spans.push(linked(&spans, processed("billing", at(6)), at(5)));
    spans.push(child(&spans, sent("billing", "rabbitmq", at(7)), at(6)));
    spans.push(linked(&spans, processed("mailer", at(8)), at(7)));
    spans.push(child(&spans, sent("billing", "nats", at(9)), at(6)));
    spans
}

/// A span of nightly that links to the notes of these orders.
fn night(spans: &[Exported], span: Exported, orders: &[u64]) -> Exported {
    orders.iter().fold(span, |span, &order| span.linked_to(&context(spans, id(order, 9))))
}

/// A day of three orders.
fn day() -> Vec<Exported> {
    let mut spans = [order(1), order(2), order(3)].concat();
    spans.push(night(&spans, processed("nightly", 999), &[1, 2, 3]));
    spans
}

fn without(mut spans: Vec<Exported>, id: u64) -> Vec<Exported> {
    let before = spans.len();
    spans.retain(|it| named(&it.span.span_context) != id);
    assert_eq!(spans.len() + 1, before, "there is a span {id}");
    spans
}

fn changed(
    mut spans: Vec<Exported>,
    id: u64,
    change: impl Fn(Exported) -> Exported,
) -> Vec<Exported> {
    for it in spans.iter_mut().filter(|it| named(&it.span.span_context) == id) {
        *it = change(it.clone());
    }
    spans
}

/// The closing line, and what is said to be missing.
fn audited(spans: &[Exported]) -> (String, Vec<String>) {
    let forest = Forest::new(spans);
    let audit = Audit::new(&forest, 3);
    let complaints = audit.complaints();
    assert_eq!(audit.is_complete(), complaints.is_empty());
    assert_eq!(audit.missing() == 0, complaints.is_empty(), "{audit}");
    (audit.to_string(), complaints)
}

#[track_caller]
fn assert_missing(spans: &[Exported], closing: &str, complaints: &[&str]) {
    let (line, said) = audited(spans);
    assert_eq!(line, format!("3 orders: {closing}"));
    assert_eq!(said.len(), complaints.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(complaints) {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn nothing_is_missing_from_a_whole_day() {
    assert_missing(&day(), "12 messages sent, 12 processed, 15 links found, 0 missing", &[]);
}

#[test]
fn links_may_be_on_children_of_the_batch() {
    let mut spans = [order(1), order(2), order(3)].concat();
    let batch = night(&spans, processed("nightly", 999), &[1]);
    let more = overflow(1000, 999, &[]);
    spans.push(night(&spans, Exported { service: "nightly".into(), ..more }, &[2, 3]));
    spans.push(batch);
    assert_missing(&spans, "12 messages sent, 12 processed, 15 links found, 0 missing", &[]);
}

#[test]
fn no_span_at_all_is_everything_missing() {
    let absent = ["shop", "stock", "billing", "mailer", "nightly"];
    let absent = absent.map(|it| format!("no span of {it} came"));
    let ways = ["NATS request", "NATS reply", "Kafka", "RabbitMQ", "JetStream"];
    let ways = ways.map(|it| format!("({it}): 0 messages"));
    let expected: Vec<&str> = absent.iter().chain(&ways).map(String::as_str).collect();
    assert_missing(&[], "0 messages sent, 0 processed, 0 links found, 15 missing", &expected);
}

#[test]
fn a_service_that_exported_nothing_is_named() {
    let mut spans = day();
    spans.retain(|it| it.service != "mailer");
    assert_missing(
        &spans,
        "12 messages sent, 9 processed, 12 links found, 3 missing",
        &["no span of mailer came", "3 of 3 orders cannot be followed from billing to mailer"],
    );
}

#[test]
fn a_message_without_a_span_that_sent_it_is_missing() {
    assert_missing(
        &without(day(), id(2, 7)),
        "11 messages sent, 11 processed, 14 links found, 2 missing",
        &["(RabbitMQ): 2 messages have the span", "1 links lead to spans that did not come"],
    );
}

#[test]
fn a_message_without_a_span_that_took_it_is_missing() {
    for (nth, title, links, processed) in [
        (2, "from shop to stock (NATS request)", 14, 11),
        (8, "from billing to mailer (RabbitMQ)", 14, 11),
    ] {
        let (line, complaints) = audited(&without(day(), id(2, nth)));
        let found = format!("{processed} processed, {links} links found");
        assert!(line.contains(&found), "{line}");
        assert!(complaints.iter().any(|it| it.contains(title)), "{complaints:?}");
    }
}

#[test]
fn a_process_span_without_its_link_is_no_proof() {
    let unlinked = changed(day(), id(1, 8), |mut it| {
        it.span.links.links.clear();
        it
    });
    assert_missing(
        &unlinked,
        "12 messages sent, 11 processed, 14 links found, 1 missing",
        &["1 of 3 orders cannot be followed from billing to mailer (RabbitMQ): 3 messages"],
    );
}

#[test]
fn a_link_to_another_span_is_no_proof() {
    let spans = day();
    let request = context(&spans, id(1, 0));
    let astray = changed(spans, id(1, 8), |mut it| {
        it.span.links.links.clear();
        it.linked_to(&request)
    });
    assert_missing(
        &astray,
        "12 messages sent, 11 processed, 15 links found, 1 missing",
        &["from billing to mailer (RabbitMQ)"],
    );
}

#[test]
fn a_link_into_nowhere_is_missing() {
    let dangling = changed(day(), id(1, 8), |it| it.linked(777_777));
    assert_missing(
        &dangling,
        "12 messages sent, 12 processed, 15 links found, 1 missing",
        &["1 links lead to spans that did not come"],
    );
}

#[test]
fn an_answer_that_was_not_received_is_missing() {
    assert_missing(
        &without(day(), id(3, 4)),
        "12 messages sent, 12 processed, 14 links found, 1 missing",
        &["1 of 3 orders cannot be followed from stock to shop (NATS reply)"],
    );
}

#[test]
fn an_order_that_the_night_did_not_link_is_missing() {
    let mut spans = [order(1), order(2), order(3)].concat();
    spans.push(night(&spans, processed("nightly", 999), &[1, 3]));
    assert_missing(
        &spans,
        "12 messages sent, 11 processed, 14 links found, 1 missing",
        &["1 of 3 orders cannot be followed from billing to nightly (JetStream)"],
    );
}

#[test]
fn the_night_is_one_batch() {
    let mut spans = [order(1), order(2), order(3)].concat();
    spans.push(night(&spans, processed("nightly", 998), &[1]));
    spans.push(night(&spans, processed("nightly", 999), &[2, 3]));
    assert_missing(
        &spans,
        "12 messages sent, 11 processed, 15 links found, 1 missing",
        &["1 of 3 orders cannot be followed from billing to nightly (JetStream)"],
    );
}

#[test]
fn work_that_does_not_belong_to_a_request_proves_nothing() {
    // The messages are there, and linked, but nobody can tell whose order they are.
    assert_missing(
        &without(day(), id(2, 0)),
        "12 messages sent, 12 processed, 15 links found, 5 missing",
        &["NATS request", "NATS reply", "Kafka", "RabbitMQ", "JetStream"],
    );
}

#[test]
fn one_order_twice_does_not_stand_for_another() {
    // Order 2 is billed under the message of order 1.
    let spans = without(day(), id(2, 6));
    let message = context(&spans, id(1, 5));
    let mut spans = without(spans, id(2, 8));
    spans.push(processed("billing", 777).linked_to(&message));
    let (line, complaints) = audited(&spans);
    assert!(line.ends_with(" missing") && !line.ends_with(" 0 missing"), "{line}");
    assert!(complaints.iter().any(|it| it.contains("1 of 3 orders") && it.contains("Kafka")));
}

#[test]
fn a_message_that_was_refused_is_not_sent() {
    let refused = changed(day(), id(1, 5), |it| it.failed("QueueFull"));
    assert_missing(
        &refused,
        "11 messages sent, 11 processed, 15 links found, 3 missing",
        &["(Kafka): 2 messages", "(RabbitMQ)", "(JetStream)"],
    );
}

#[test]
fn a_message_that_was_only_received_is_not_processed() {
    let received = changed(day(), id(1, 8), |mut it| {
        it.span.attributes.clear();
        it.doing("receive")
    });
    assert_missing(
        &received,
        "12 messages sent, 11 processed, 15 links found, 1 missing",
        &["1 of 3 orders cannot be followed from billing to mailer (RabbitMQ)"],
    );
}

#[test]
fn a_message_that_was_sent_again_and_not_processed_is_missing() {
    let mut spans = day();
    let work = context(&spans, id(1, 6));
    spans.push(sent("billing", "rabbitmq", 777).child_of(&work));
    assert_missing(
        &spans,
        "13 messages sent, 12 processed, 15 links found, 1 missing",
        &["(RabbitMQ): 4 messages have the span that sent them, 3 a link to it"],
    );
}
