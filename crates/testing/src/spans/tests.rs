use std::panic::{AssertUnwindSafe, catch_unwind};

use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{
        Link, SpanBuilder, TraceContextExt as _, TraceState, Tracer as _, TracerProvider as _,
    },
};

use super::*;
use crate::attributes::any;

/// Starts and ends a span, and returns its context as a message would carry it.
fn finish(telemetry: &Telemetry, span: SpanBuilder, parent: &Context) -> SpanContext {
    let span = span.start_with_context(&telemetry.tracer(), parent);
    let Target::Context(context) = remote(Context::new().with_span(span).span().span_context())
    else {
        unreachable!("a context stays one")
    };
    context
}

fn root(telemetry: &Telemetry, name: &'static str) -> SpanContext {
    finish(telemetry, SpanBuilder::from_name(name), &Context::new())
}

fn link(to: &SpanContext, offset: i64) -> Link {
    Link::new(to.clone(), vec![KeyValue::new("offset", offset)], 0)
}

fn within(parent: &SpanContext) -> Context {
    Context::new().with_remote_span_context(parent.clone())
}

fn context(id: u64) -> SpanContext {
    let (trace, span) = (TraceId::from(u128::from(id)), SpanId::from(id));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE)
}

/// A request that sends two orders, which are processed as a batch.
fn orders() -> Telemetry {
    let telemetry = Telemetry::new();
    let tracer = telemetry.tracer();
    let request = tracer.span_builder("request").with_kind(SpanKind::Server).start(&tracer);
    let request = Context::new().with_span(request);
    let send = || {
        let attributes = [KeyValue::new("system", "kafka"), KeyValue::new("partition", 7)];
        let send = SpanBuilder::from_name("send orders").with_kind(SpanKind::Producer);
        finish(&telemetry, send.with_attributes(attributes), &request)
    };
    let links = vec![link(&send(), 0), link(&send(), 1)];
    request.span().end();
    let process = SpanBuilder::from_name("process orders").with_kind(SpanKind::Consumer);
    let mut process = process.with_links(links).start(&tracer);
    opentelemetry::trace::Span::add_event(&mut process, "failed", vec![KeyValue::new("offset", 1)]);
    opentelemetry::trace::Span::set_attribute(&mut process, KeyValue::new("error.type", "Timeout"));
    opentelemetry::trace::Span::set_status(&mut process, Status::error("too late"));
    drop(process);
    telemetry
}

fn expected_orders() -> [ExpectedSpan; 4] {
    let send = span("send orders")
        .kind(SpanKind::Producer)
        .child_of("request")
        .attributes([("partition", any()), ("system", "kafka".into())]);
    [
        span("process orders")
            .label("process")
            .kind(SpanKind::Consumer)
            .root()
            .link_with(remote("second"), [("offset", 1.into())])
            .link_with(remote("first"), [("offset", 0.into())])
            .event("failed", [("offset", 1.into())])
            .error("Timeout", Some("too late")),
        send.clone().label("second"),
        send.label("first"),
        span("request").label("request").kind(SpanKind::Server),
    ]
}

/// The message of the assertion's panic, with ids made equal.
#[track_caller]
fn failure<const N: usize>(telemetry: &Telemetry, expected: [ExpectedSpan; N]) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| telemetry.assert_spans(expected)))
        .expect_err("the assertion must fail");
    let message = *panic.downcast::<String>().expect("a formatted message");
    let mut parts = message.split('…');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |message, part| message + "…" + &part[8..])
}

/// The difference that `change` to the expected batch makes.
#[track_caller]
fn difference(change: impl FnOnce(ExpectedSpan) -> ExpectedSpan) -> String {
    let [process, second, first, request] = expected_orders();
    let message = failure(&orders(), [change(process), second, first, request]);
    let head = "spans differ: 4 expected, 4 finished\n\n\
        span \"process orders\" (label \"process\") differs from the nearest, … of trace …:\n";
    message.strip_prefix(head).unwrap_or_else(|| panic!("{message}")).to_owned()
}

#[test]
fn equal_spans_match_in_any_order() {
    let found = orders().assert_spans(expected_orders());
    let names: Vec<&str> = found.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["process orders", "send orders", "send orders", "request"]);
    assert_eq!(found[0].links[1].span_context.span_id(), found[1].span_context.span_id());
    assert_eq!(found[0].links[0].span_context.span_id(), found[2].span_context.span_id());
}

#[test]
fn nothing_is_equal_to_nothing() {
    let telemetry = Telemetry::new();
    assert!(telemetry.assert_spans([]).is_empty());
    root(&telemetry, "request");
    assert_eq!(
        failure(&telemetry, []),
        "spans differ: 0 expected, 1 finished\n\n\
         span \"request\" was not expected, … of trace …:\n    \
             kind Internal\n    \
             root\n    \
             status Unset\n    \
             scope application (no version) (no schema) {}\n"
    );
}

#[test]
fn a_missing_span_is_told_with_its_label() {
    let telemetry = Telemetry::new();
    let expected = span("send").label("send").child_of("request").linked_to("other");
    let expected = expected.attributes([("system", "kafka".into())]).event("sent", []);
    let expected = expected.scope(InstrumentationScope::builder("rdkafka").build());
    let others = [span("request").label("request"), span("other").label("other")];
    root(&telemetry, "other");
    root(&telemetry, "request");
    let [request, other] = others;
    assert_eq!(
        failure(&telemetry, [expected, request, other]),
        "spans differ: 3 expected, 2 finished\n\n\
         span \"send\" (label \"send\") was not found:\n    \
             kind Internal\n    \
             parent \"request\"\n    \
             attribute system = \"kafka\"\n    \
             link to \"other\" {}\n    \
             event \"sent\" {}\n    \
             status Unset\n    \
             scope rdkafka (no version) (no schema) {}\n"
    );
}

#[test]
fn a_name_differs() {
    let [process, second, first, request] = expected_orders();
    let renamed = ExpectedSpan { name: "process".into(), ..process };
    let message = failure(&orders(), [renamed, second, first, request]);
    assert_eq!(
        message,
        "spans differ: 4 expected, 4 finished\n\n\
         span \"process\" (label \"process\") differs from the nearest, … of trace …:\n    \
             - name \"process\"\n    + name \"process orders\"\n"
    );
}

#[test]
fn two_spans_with_little_in_common_are_not_compared() {
    let telemetry = Telemetry::new();
    root(&telemetry, "request");
    let message = failure(&telemetry, [span("send").kind(SpanKind::Producer)]);
    assert!(message.contains("\n\nspan \"send\" was not found:\n"), "{message}");
    assert!(message.contains("\n\nspan \"request\" was not expected, "), "{message}");
}

#[test]
fn a_kind_differs() {
    let lines = difference(|process| process.kind(SpanKind::Client));
    assert_eq!(lines, "    - kind Client\n    + kind Consumer\n");
}

#[test]
fn a_parent_differs() {
    let lines = difference(|process| process.child_of("first"));
    assert_eq!(lines, "    - parent \"first\"\n    + root\n");
    let lines = difference(|process| process.child_of(context(3)));
    assert_eq!(lines, "    - parent remote … of trace …\n    + root\n");
}

#[test]
fn a_parent_from_a_message_is_remote() {
    let telemetry = Telemetry::new();
    let request = root(&telemetry, "request");
    finish(&telemetry, SpanBuilder::from_name("send"), &within(&request));
    let expected =
        |parent: Target| [span("send").child_of(parent), span("request").label("request")];
    telemetry.assert_spans(expected(remote("request")));
    telemetry.assert_spans(expected(request.into()));
    let message = failure(&telemetry, expected("request".into()));
    let end = "    - parent \"request\"\n    + parent remote \"request\"\n";
    assert!(message.ends_with(end), "{message}");
}

#[test]
fn attributes_differ() {
    let lines = difference(|process| process.attributes([("system", "kafka".into())]));
    assert_eq!(lines, "    - attribute system = \"kafka\"\n");
    let lines = difference(|mut process| {
        process.attributes = Attributes::default();
        process
    });
    assert_eq!(lines, "    + attribute error.type = \"Timeout\"\n");
}

#[test]
fn links_differ() {
    let lines = difference(|process| process.linked_to(remote("first")));
    assert_eq!(lines, "    - link to remote \"first\" {}\n");
    let lines = difference(|mut process| {
        process.links.pop();
        process.link_with("first", [("offset", any())])
    });
    assert_eq!(
        lines,
        "    - link to \"first\" {offset = any}\n    + link to remote \"first\" {offset = 0}\n"
    );
}

#[test]
fn links_may_be_expected_in_order() {
    let lines = difference(ExpectedSpan::links_in_order);
    assert_eq!(
        lines,
        "    - 0: link to remote \"second\" {offset = 1}\n    \
             - 1: link to remote \"first\" {offset = 0}\n    \
             + 0: link to remote \"first\" {offset = 0}\n    \
             + 1: link to remote \"second\" {offset = 1}\n"
    );
    let [mut process, second, first, request] = expected_orders();
    process.links.reverse();
    orders().assert_spans([process.links_in_order(), second, first, request]);
}

#[test]
fn events_and_status_differ() {
    let lines = difference(|mut process| {
        process.events.clear();
        process.event("failed", [("offset", 2.into())]).status(Status::Ok)
    });
    assert_eq!(
        lines,
        "    - event \"failed\" {offset = 2}\n    + event \"failed\" {offset = 1}\n    \
             - status Ok\n    + status Error \"too late\"\n"
    );
}

#[test]
fn dropped_links_are_counted() {
    let telemetry = Telemetry::builder().with_max_links_per_span(1).build();
    let send = root(&telemetry, "send");
    let links = vec![link(&send, 0), link(&send, 1)];
    finish(&telemetry, SpanBuilder::from_name("process").with_links(links), &Context::new());
    let process = span("process").link_with(remote("send"), [("offset", 0.into())]);
    let send = span("send").label("send");
    telemetry.assert_spans([process.clone().dropped_links(1), send.clone()]);
    let message = failure(&telemetry, [process, send]);
    assert!(message.ends_with("\n    - dropped links: 0\n    + dropped links: 1\n"), "{message}");
}

#[test]
fn a_context_may_be_unknown_to_the_test() {
    let telemetry = Telemetry::new();
    let process = SpanBuilder::from_name("process").with_links(vec![link(&context(2), 5)]);
    finish(&telemetry, process, &within(&context(1)));
    let expected = |parent, linked: &SpanContext| {
        [span("process").child_of(parent).link_with(linked, [("offset", 5.into())])]
    };
    telemetry.assert_spans(expected(context(1), &context(2)));
    assert_eq!(
        failure(&telemetry, expected(context(3), &context(4))).lines().count(),
        "head, blank, title, two lines for each of parent and link".split(", ").count() + 3,
    );
}

#[test]
fn a_link_carries_the_whole_context() {
    let telemetry = Telemetry::new();
    let state = TraceState::from_key_value([("vendor", "1")]).expect("a valid tracestate");
    let (trace, id) = (context(1).trace_id(), context(1).span_id());
    let linked = SpanContext::new(trace, id, TraceFlags::default(), true, state);
    let process = SpanBuilder::from_name("process").with_links(vec![Link::with_context(linked)]);
    finish(&telemetry, process, &Context::new());
    let message = failure(&telemetry, [span("process").linked_to(context(1))]);
    let lines = "    - link to remote … of trace … {}\n    \
        + link to remote … of trace … not sampled tracestate vendor=1 {}\n";
    assert!(message.ends_with(lines), "{message}");
}

#[test]
fn spans_without_a_scope_come_from_the_expected_one_or_the_application() {
    let scope = |version| InstrumentationScope::builder("rdkafka").with_version(version).build();
    let telemetry = Telemetry::builder().expecting_scope(scope("1")).build();
    root(&telemetry, "request");
    telemetry.tracer_provider().tracer_with_scope(scope("1")).start("send");
    telemetry.assert_spans([span("request"), span("send").scope(scope("1"))]);
    telemetry.assert_spans([span("request"), span("send")]);
    telemetry.clear();
    telemetry.tracer_provider().tracer_with_scope(scope("2")).start("send");
    let message = failure(&telemetry, [span("send")]);
    let lines = "    - scope rdkafka 1 (no schema) {}\n    + scope rdkafka 2 (no schema) {}\n";
    assert!(message.ends_with(lines), "{message}");
    telemetry.assert_spans([span("send").scope(scope("2"))]);
}

#[test]
fn one_wrong_parent_does_not_make_its_children_wrong() {
    let [process, second, first, request] = expected_orders();
    let message = failure(&orders(), [process, second, first, request.kind(SpanKind::Client)]);
    assert_eq!(
        message,
        "spans differ: 4 expected, 4 finished\n\n\
         span \"request\" (label \"request\") differs from the nearest, … of trace …:\n    \
             - kind Client\n    + kind Server\n"
    );
}

#[test]
fn swapped_references_are_told_by_label() {
    let telemetry = Telemetry::new();
    for (name, offset) in [("a", 0), ("b", 1)] {
        let send = SpanBuilder::from_name("send").with_attributes([KeyValue::new("to", name)]);
        let send = finish(&telemetry, send, &Context::new());
        let links = vec![link(&send, offset)];
        finish(&telemetry, SpanBuilder::from_name(name).with_links(links), &Context::new());
    }
    let expected = |of_a, of_b| {
        [
            span("send").label("to a").attributes([("to", "a".into())]),
            span("send").label("to b").attributes([("to", "b".into())]),
            span("a").link_with(remote(of_a), [("offset", 0.into())]),
            span("b").link_with(remote(of_b), [("offset", 1.into())]),
        ]
    };
    telemetry.assert_spans(expected("to a", "to b"));
    assert_eq!(
        failure(&telemetry, expected("to b", "to a")),
        "spans differ: 4 expected, 4 finished\n\n\
         span \"a\" differs from the nearest, … of trace …:\n    \
             - link to remote \"to b\" {offset = 0}\n    \
             + link to remote \"to a\" {offset = 0}\n\n\
         span \"b\" differs from the nearest, … of trace …:\n    \
             - link to remote \"to a\" {offset = 1}\n    \
             + link to remote \"to b\" {offset = 1}\n"
    );
}

#[test]
fn several_links_may_go_to_one_span() {
    let telemetry = Telemetry::new();
    let send = root(&telemetry, "send");
    let links = vec![link(&send, 1), link(&send, 1), link(&send, 2)];
    finish(&telemetry, SpanBuilder::from_name("process").with_links(links), &Context::new());
    let expected = |offsets: [ExpectedValue; 3]| {
        let link =
            |process: ExpectedSpan, value| process.link_with(remote("send"), [("offset", value)]);
        [offsets.into_iter().fold(span("process"), link), span("send").label("send")]
    };
    // `any` must not take the partner that the exact value needs.
    telemetry.assert_spans(expected([any(), 1.into(), 1.into()]));
    telemetry.assert_spans(expected([any(), 2.into(), any()]));
    let message = failure(&telemetry, expected([1.into(), 2.into(), 2.into()]));
    let end = "    - link to remote \"send\" {offset = 2}\n    \
        + link to remote \"send\" {offset = 1}\n";
    assert!(message.ends_with(end), "{message}");
}

#[test]
fn events_and_the_order_of_links_tell_spans_apart() {
    let telemetry = Telemetry::new();
    let send = root(&telemetry, "send");
    for offset in [1, 2] {
        let event = opentelemetry::trace::Event::with_name(format!("failed {offset}"));
        let links = vec![link(&send, offset), link(&send, 3 - offset)];
        let process = SpanBuilder::from_name("process").with_links(links);
        finish(&telemetry, process, &Context::new());
        finish(&telemetry, SpanBuilder::from_name("job").with_events(vec![event]), &Context::new());
    }
    let process = |offset: i64| {
        let first = span("process").link_with(remote("send"), [("offset", offset.into())]);
        first.link_with(remote("send"), [("offset", (3 - offset).into())]).links_in_order()
    };
    telemetry.assert_spans([
        span("job").event("failed 2", []),
        span("job").event("failed 1", []),
        process(2),
        process(1),
        span("send").label("send"),
    ]);
}

/// Ten equal requests with an equal send each; only what is linked at the end tells them apart.
#[test]
fn equal_spans_are_told_apart_by_who_refers_to_them() {
    let telemetry = Telemetry::new();
    let mut expected = Vec::new();
    for number in 0..10 {
        let request = root(&telemetry, "request");
        let send = finish(&telemetry, SpanBuilder::from_name("send"), &within(&request));
        let links = vec![link(&send, number)];
        finish(&telemetry, SpanBuilder::from_name("process").with_links(links), &Context::new());
        let (request, send) = (format!("request {number}"), format!("send {number}"));
        let process = span("process").link_with(remote(send.clone()), [("offset", number.into())]);
        expected.insert(0, span("send").label(send).child_of(remote(request.clone())));
        expected.push(process);
        expected.push(span("request").label(request));
    }
    telemetry.assert_spans(expected);
}

/// Two equal batches of five equal messages: a choice for one decides on the others.
#[test]
fn a_choice_is_followed() {
    let telemetry = Telemetry::new();
    let mut expected = Vec::new();
    for batch in 0..2 {
        let sent: Vec<SpanContext> = (0..5).map(|_| root(&telemetry, "send")).collect();
        let links = sent.iter().map(|send| Link::with_context(send.clone())).collect();
        finish(&telemetry, SpanBuilder::from_name("process").with_links(links), &Context::new());
        let mut process = span("process");
        for number in 0..5 {
            // Not in the order of the finished spans.
            let label = format!("send {}", 2 * number + batch);
            expected.push(span("send").label(label.clone()));
            process = process.linked_to(remote(label));
        }
        expected.insert(0, process);
    }
    expected.reverse();
    telemetry.assert_spans(expected.clone());
    expected[0] = expected[0].clone().linked_to(remote("send 0"));
    assert!(catch_unwind(AssertUnwindSafe(|| telemetry.assert_spans(expected))).is_err());
}

/// The first choice is wrong: it shows two steps later.
#[test]
fn a_choice_is_taken_back() {
    let telemetry = Telemetry::new();
    // Two equal chains, but one ends in one more link to its start.
    for extra in [false, true] {
        let start = root(&telemetry, "start");
        let middle = finish(&telemetry, SpanBuilder::from_name("middle"), &within(&start));
        let mut links = vec![Link::with_context(middle)];
        let other = root(&telemetry, "start");
        links.push(Link::with_context(if extra { start } else { other }));
        finish(&telemetry, SpanBuilder::from_name("end").with_links(links), &Context::new());
    }
    telemetry.assert_spans([
        span("start").label("a"),
        span("start").label("b"),
        span("start").label("c"),
        span("start"),
        span("middle").label("of a").child_of(remote("a")),
        span("middle").label("of b").child_of(remote("b")),
        span("end").linked_to(remote("of a")).linked_to(remote("a")),
        span("end").linked_to(remote("of b")).linked_to(remote("c")),
    ]);
}

#[test]
fn a_thousand_equal_messages_in_one_batch() {
    let telemetry = Telemetry::builder().with_max_links_per_span(1_000).build();
    let sent: Vec<SpanContext> = (0..1_000).map(|_| root(&telemetry, "send")).collect();
    let links = sent.iter().zip(0..).map(|(send, offset)| link(send, offset)).collect();
    finish(&telemetry, SpanBuilder::from_name("process").with_links(links), &Context::new());
    let mut process = span("process");
    let mut expected = Vec::new();
    for number in (0..1_000).rev() {
        expected.push(span("send").label(format!("send {number}")));
        process = process.link_with(remote(format!("send {number}")), [("offset", number.into())]);
    }
    expected.push(process);
    telemetry.assert_spans(expected.clone());
    expected[500].kind = SpanKind::Producer;
    assert!(catch_unwind(AssertUnwindSafe(|| telemetry.assert_spans(expected))).is_err());
}

#[test]
fn a_thousand_chains_that_nothing_tells_apart() {
    let telemetry = Telemetry::new();
    let mut expected = Vec::new();
    for number in 0..1_000 {
        let send = root(&telemetry, "send");
        let links = vec![Link::with_context(send)];
        finish(&telemetry, SpanBuilder::from_name("process").with_links(links), &Context::new());
        expected.push(span("process").linked_to(remote(format!("send {number}"))));
        expected.insert(0, span("send").label(format!("send {number}")));
    }
    telemetry.assert_spans(expected.clone());
    expected[0] = span("send").label("send 999").kind(SpanKind::Client);
    assert!(catch_unwind(AssertUnwindSafe(|| telemetry.assert_spans(expected))).is_err());
}

#[test]
fn a_thousand_children_with_names_of_their_own() {
    let telemetry = Telemetry::new();
    let request = root(&telemetry, "request");
    let mut expected = vec![span("request").label("request")];
    for number in 0..1_000 {
        let child = SpanBuilder::from_name(format!("send {number}"));
        finish(&telemetry, child, &within(&request));
        expected.push(span(format!("send {number}")).child_of(remote("request")));
    }
    expected.reverse();
    telemetry.assert_spans(expected);
}

#[test]
#[should_panic(expected = "no expected span is labelled \"request\"")]
fn labels_must_exist() {
    Telemetry::new().assert_spans([span("send").child_of("request")]);
}

#[test]
#[should_panic(expected = "two expected spans are labelled \"send\"")]
fn labels_are_given_once() {
    Telemetry::new().assert_spans([span("send").label("send"), span("other").label("send")]);
}

#[test]
#[should_panic(expected = "attribute error.type is expected twice")]
fn an_error_type_is_expected_once() {
    let _ = span("send").attributes([("error.type", "other".into())]).error("Timeout", None);
}
