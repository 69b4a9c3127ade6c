use std::{
    borrow::Cow,
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    time::SystemTime,
};

use opentelemetry::{
    Context, InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{
        Event, Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _,
        TraceState, Tracer as _, TracerProvider as _,
    },
};

use super::*;
use crate::attributes::{Attributes, ExpectedValue, any};

/// Finishes spans like these, in this order. A span must come after those that it refers to.
fn finish(spans: impl IntoIterator<Item = ExpectedSpan>) -> Telemetry {
    let telemetry = Telemetry::builder().with_max_links_per_span(10_000).build();
    let mut labels = HashMap::new();
    for span in spans {
        let context = |target: &Target| match target {
            Target::Context(context) => context.clone(),
            Target::Label { label, is_remote } => {
                let (trace, id) = labels[label];
                SpanContext::new(trace, id, TraceFlags::SAMPLED, *is_remote, TraceState::NONE)
            }
        };
        let links = span.references[1..]
            .iter()
            .map(|link| Link::new(context(&link.target), link.attributes.values(), 0));
        let events = span.events.iter().map(|(name, attributes)| {
            Event::new(name.clone(), SystemTime::now(), attributes.values(), 0)
        });
        let parent = Some(context(&span.references[0].target)).filter(SpanContext::is_valid);
        let parent = parent.map(|parent| Context::new().with_remote_span_context(parent));
        let builder = SpanBuilder::from_name(span.name.clone())
            .with_kind(span.kind.clone().unwrap_or(SpanKind::Internal))
            .with_attributes(span.attributes.values())
            .with_links(links.collect())
            .with_events(events.collect());
        let mut finished =
            builder.start_with_context(&telemetry.tracer(), &parent.unwrap_or_default());
        finished.set_status(span.status);
        if let Some(label) = span.label {
            labels.insert(label, target::ids(finished.span_context()));
        }
    }
    telemetry
}

/// Asserts that spans like these are found, in whatever order they are expected.
fn matches_in_any_order(spans: impl IntoIterator<Item = ExpectedSpan>) {
    let mut spans: Vec<ExpectedSpan> = spans.into_iter().collect();
    let telemetry = finish(spans.clone());
    for _ in 0..spans.len() {
        spans.rotate_left(1);
        telemetry.assert_spans(spans.clone());
        telemetry.assert_spans(spans.iter().cloned().rev());
    }
}

/// The message of the assertion's panic, without the ids of finished spans.
#[track_caller]
fn failure(telemetry: &Telemetry, expected: impl IntoIterator<Item = ExpectedSpan>) -> String {
    failure_of(telemetry, || {
        telemetry.assert_spans(expected);
    })
}

#[track_caller]
fn failure_of(telemetry: &Telemetry, assertion: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(assertion)).expect_err("the assertion must fail");
    let message = *panic.downcast::<String>().expect("a formatted message");
    telemetry
        .spans()
        .iter()
        .fold(message, |message, span| message.replace(&text::show_ids(&span.span_context), "…"))
}

/// The lines of the message that differ.
#[track_caller]
fn differing(telemetry: &Telemetry, expected: impl IntoIterator<Item = ExpectedSpan>) -> String {
    let message = failure(telemetry, expected);
    let lines = message.lines().filter_map(|line| line.strip_prefix("    "));
    lines.filter(|line| !line.starts_with(' ')).collect::<Vec<_>>().join("\n")
}

/// A process span with links, each with an offset.
fn process<T: Into<Target>, V: Into<ExpectedValue>>(
    links: impl IntoIterator<Item = (T, V)>,
) -> ExpectedSpan {
    links.into_iter().fold(span("process"), |span, (to, offset)| {
        span.link_with(remote(to), [("offset", offset.into())])
    })
}

fn send(label: impl Into<Cow<'static, str>>) -> ExpectedSpan {
    span("send").label(label)
}

fn context(id: u64) -> SpanContext {
    let (trace, span) = (TraceId::from(u128::from(id)), SpanId::from(id));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE)
}

/// A request that sends two orders, which are processed as a batch.
fn orders() -> [ExpectedSpan; 4] {
    let sent = |label| {
        let attributes = [("partition", any()), ("system", "kafka".into())];
        send(label).kind(SpanKind::Producer).child_of("request").attributes(attributes)
    };
    let process = process([("first", 0), ("second", 1)])
        .label("batch")
        .kind(SpanKind::Consumer)
        .event("failed", [("offset", 1.into())])
        .error("Timeout", Some("too late"));
    [
        span("request").label("request").kind(SpanKind::Server),
        sent("first"),
        sent("second"),
        process,
    ]
}

/// What differs if the batch is expected to be another one.
#[track_caller]
fn changed(change: impl FnOnce(ExpectedSpan) -> ExpectedSpan) -> String {
    let [request, first, second, process] = orders();
    differing(&finish(orders()), [request, first, second, change(process)])
}

#[test]
fn equal_spans_match_in_any_order() {
    matches_in_any_order(orders());
    let [request, first, second, process] = orders();
    let found = finish(orders()).assert_spans([process, second, first, request]);
    let names: Vec<&str> = found.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["process", "send", "send", "request"]);
    assert_eq!(found[0].links[1].span_context.span_id(), found[1].span_context.span_id());
    assert_eq!(found[0].links[0].span_context.span_id(), found[2].span_context.span_id());
}

#[test]
fn a_difference_is_shown_in_its_span() {
    let [request, first, second, process] = orders();
    let expected = [request, first, second, process.kind(SpanKind::Client)];
    assert_eq!(
        failure(&finish(orders()), expected),
        "spans differ: 4 expected (-), 4 finished (+)\n\n\
         span \"process\" (label \"batch\") differs from …:\n      \
               name \"process\"\n    \
             - kind Client\n    \
             + kind Consumer\n      \
               status Error \"too late\"\n      \
               attribute error.type = \"Timeout\"\n      \
               event \"failed\" {offset = 1}\n"
    );
}

#[test]
fn missing_and_unexpected_spans_are_shown() {
    let scope = InstrumentationScope::builder("rdkafka").build();
    let send = send("one").kind(SpanKind::Producer).linked_to(context(1)).scope(scope);
    let send = send.attributes([("partition", any())]).event("sent", []);
    assert_eq!(
        failure(&finish([span("request")]), [send]),
        "spans differ: 1 expected (-), 1 finished (+)\n\n\
         span \"send\" (label \"one\") was not found:\n    \
             - name \"send\"\n    \
             - kind Producer\n    \
             - status Unset\n    \
             - scope rdkafka (no version) (no schema) {}\n    \
             - attribute partition = any\n    \
             - event \"sent\" {}\n    \
             - root\n    \
             - link to remote 0000000000000001 of trace 00000000000000000000000000000001 {}\n\n\
         span \"request\" was not expected, …:\n    \
             + name \"request\"\n    \
             + kind Internal\n    \
             + status Unset\n    \
             + scope application (no version) (no schema) {}\n    \
             + root\n"
    );
    assert!(finish([]).assert_spans([]).is_empty());
}

#[test]
fn twenty_differences_are_shown() {
    let message = failure(&finish(vec![span("send"); 22]), []);
    assert_eq!(message.matches("was not expected").count(), 20);
    assert!(message.ends_with("+ root\n\nand 2 more spans\n"), "{message}");
}

#[test]
fn everything_that_differs_has_its_line() {
    let lines = changed(|span| ExpectedSpan { name: "run".into(), ..span });
    assert_eq!(lines, "- name \"run\"\n+ name \"process\"");
    let lines = changed(|span| span.status(Status::Ok));
    assert_eq!(lines, "- status Ok\n+ status Error \"too late\"");
    assert_eq!(changed(|span| span.child_of("first")), "- parent \"first\"\n+ root");
    let lines = changed(|span| span.child_of(context(3)));
    let ids = "0000000000000003 of trace 00000000000000000000000000000003";
    assert_eq!(lines, format!("- parent remote {ids}\n+ root"));
    let lines = changed(|span| span.attributes([("system", any())]));
    assert_eq!(lines, "- attribute system = any");
    let lines = changed(|span| ExpectedSpan { attributes: Attributes::default(), ..span });
    assert_eq!(lines, "+ attribute error.type = \"Timeout\"");
    assert_eq!(changed(|span| span.event("failed", [])), "- event \"failed\" {}");
    let lines = changed(|span| ExpectedSpan { events: Vec::new(), ..span });
    assert_eq!(lines, "+ event \"failed\" {offset = 1}");
    let lines = changed(|span| span.linked_to(remote("first")));
    assert_eq!(lines, "- link to remote \"first\" {}");
    let lines = changed(|mut span| {
        span.references.pop();
        span.link_with("second", [("offset", any())])
    });
    let link = "\"second\" {offset =";
    assert_eq!(lines, format!("- link to {link} any}}\n+ link to remote {link} 1}}"));
}

#[test]
fn links_may_be_expected_in_order() {
    let lines = changed(|mut span| {
        span.references[1..].reverse();
        span.links_in_order()
    });
    assert_eq!(lines.lines().count(), 4, "{lines}");
    assert!(lines.starts_with("- link 0 to remote \"second\" {offset = 1}\n- link 1"), "{lines}");
    let batch = |first, second| process([("one", first), ("one", second)]).links_in_order();
    matches_in_any_order([send("one"), batch(1, 2), batch(2, 1)]);
}

#[test]
fn a_parent_from_a_message_is_remote() {
    let expected = |parent: Target| [send("one"), span("ack").child_of(parent)];
    let telemetry = finish(expected(remote("one")));
    telemetry.assert_spans(expected(remote(&telemetry.spans()[0].span_context)));
    let lines = differing(&telemetry, expected("one".into()));
    assert_eq!(lines, "- parent \"one\"\n+ parent remote \"one\"");
}

#[test]
fn dropped_links_are_counted() {
    let telemetry = Telemetry::builder().with_max_links_per_span(1).build();
    let links = vec![Link::with_context(context(1)), Link::with_context(context(2))];
    SpanBuilder::from_name("process").with_links(links).start(&telemetry.tracer());
    let process = span("process").linked_to(context(1));
    telemetry.assert_spans([process.clone().dropped_links(1)]);
    assert_eq!(differing(&telemetry, [process]), "+ dropped links: 1");
}

#[test]
fn a_link_carries_the_whole_context() {
    let state = TraceState::from_key_value([("vendor", "1")]).expect("a valid tracestate");
    let (trace, id) = target::ids(&context(1));
    let linked = SpanContext::new(trace, id, TraceFlags::default(), true, state);
    let telemetry = finish([span("process").linked_to(&linked)]);
    telemetry.assert_spans([span("process").linked_to(&linked)]);
    let link = format!("link to {}", text::show_ids(&linked));
    assert_eq!(
        differing(&telemetry, [span("process").linked_to(context(1))]),
        format!("- {link} {{}}\n+ {link} not sampled tracestate vendor=1 {{}}")
    );
    let telemetry = Telemetry::new();
    let too_many = (0..129).map(|key| KeyValue::new(key.to_string(), key)).collect();
    let links = vec![Link::new(context(1), too_many, 0)];
    SpanBuilder::from_name("process").with_links(links).start(&telemetry.tracer());
    let message = failure(&telemetry, [span("process").linked_to(context(1))]);
    assert!(message.contains(&format!("+ {link} with 1 dropped attributes {{")), "{message}");
}

#[test]
fn spans_without_a_scope_come_from_the_expected_one_or_the_application() {
    let scope = |version| InstrumentationScope::builder("rdkafka").with_version(version).build();
    let telemetry = Telemetry::builder().expecting_scope(scope("1")).build();
    telemetry.tracer().start("request");
    telemetry.tracer_provider().tracer_with_scope(scope("1")).start("send");
    telemetry.assert_spans([span("request"), span("send").scope(scope("1"))]);
    telemetry.assert_spans([span("request"), span("send")]);
    telemetry.clear();
    telemetry.tracer_provider().tracer_with_scope(scope("2")).start("send");
    let lines = "- scope rdkafka 1 (no schema) {}\n+ scope rdkafka 2 (no schema) {}";
    assert_eq!(differing(&telemetry, [span("send")]), lines);
    telemetry.assert_spans([span("send").scope(scope("2"))]);
}

#[test]
fn spans_that_differ_are_compared_with_the_nearest() {
    let [request, first, second, process] = orders();
    let expected = [request.kind(SpanKind::Client), first, second, process];
    // The spans that refer to it do not differ.
    assert_eq!(differing(&finish(orders()), expected), "- kind Client\n+ kind Server");
    let send = |partition: i64| {
        span("send").attributes([("partition", partition.into()), ("key", partition.into())])
    };
    let expected = [2, 1].map(|partition| send(partition).kind(SpanKind::Client));
    let kinds = "- kind Client\n+ kind Internal\n";
    assert_eq!(differing(&finish([send(1), send(2)]), expected) + "\n", kinds.repeat(2));
}

#[test]
fn swapped_references_are_told_by_label() {
    let spans = |first, second| {
        let sends = ["a", "b"].map(|name| span(name).label(name));
        sends.into_iter().chain([process([(first, 0)]), process([(second, 1)])])
    };
    assert_eq!(
        differing(&finish(spans("a", "b")), spans("b", "a")),
        "- link to remote \"b\" {offset = 0}\n\
         + link to remote \"a\" {offset = 0}\n\
         - link to remote \"a\" {offset = 1}\n\
         + link to remote \"b\" {offset = 1}"
    );
}

/// `any` stands for 7.
#[test]
fn any_leaves_exact_values_to_others() {
    let offsets = |offsets: [ExpectedValue; 3]| process(offsets.map(|offset| ("one", offset)));
    let telemetry = finish([send("one"), offsets([1.into(), 1.into(), 7.into()])]);
    telemetry.assert_spans([offsets([any(), 1.into(), 1.into()]), send("one")]);
    telemetry.assert_spans([offsets([any(), any(), 1.into()]), send("one")]);
    let lines = differing(&telemetry, [offsets([1.into(), 7.into(), 7.into()]), send("one")]);
    let link = "link to remote \"one\" {offset =";
    assert_eq!(lines, format!("- {link} 7}}\n+ {link} 1}}"));
    let send = |partition| span("send").attributes([("partition", partition)]);
    matches_in_any_order([send(any()), send(1.into()), send(7.into())]);
}

#[test]
fn equal_spans_are_told_apart_by_what_they_refer_to() {
    matches_in_any_order(["first", "second"].map(|name| span("job").event(name, [])));
    let send = |parent: Target, link| span("send").child_of(parent).linked_to(remote(link));
    let [a, b] = ["a", "b"].map(|name| span(name).label(name));
    let sends = [send("a".into(), "b"), send(remote("b"), "a"), send(remote("a"), "b")];
    matches_in_any_order([a, b].into_iter().chain(sends));
    // Only the requests at the start of the chains differ.
    let chain = |name: &'static str| {
        let send = span("send").label(format!("send of {name}")).child_of(name);
        [span(name).label(name), send, process([(format!("send of {name}"), 0)])]
    };
    let [first, second] = [chain("first"), chain("second")];
    let processes_first = first.iter().chain(&second).rev();
    let mut expected: Vec<ExpectedSpan> = processes_first.cloned().collect();
    expected.sort_by_key(|span| span.name != "process");
    finish(first.into_iter().chain(second)).assert_spans(expected);
}

#[test]
fn equal_spans_are_told_apart_by_those_that_refer_to_them() {
    // Only what is linked at the end of the chains differs.
    let chain = |number: i64| {
        let [first, second] = ["request", "send"].map(|name| format!("{name} {number}"));
        let send = send(second.clone()).child_of(remote(first.clone()));
        [span("request").label(first), send, process([(second, number)])]
    };
    let chains: Vec<ExpectedSpan> = (0..5).flat_map(chain).collect();
    matches_in_any_order(chains.clone());
    // Where requests differ, the rest of their chains does not.
    let mut expected = chains.clone();
    expected[3].kind = Some(SpanKind::Client);
    expected[6].dropped_links = 1;
    expected.reverse();
    let lines = differing(&finish(chains), expected);
    assert!(!lines.contains("send") && lines.contains("- kind Client"), "{lines}");
    // One of two equal messages is processed twice.
    let spans = |links: [&'static str; 3]| {
        [send("once"), send("twice")].into_iter().chain(links.map(|to| process([(to, 0)])))
    };
    matches_in_any_order(spans(["twice", "once", "twice"]));
    let lines = differing(&finish(spans(["twice", "once", "twice"])), spans(["twice"; 3]));
    assert!(lines.starts_with("- link to remote \"twice\""), "{lines}");
    // One of two equal chains ends in a link to its start.
    let end = |links: [&'static str; 2]| process(links.map(|to| (to, 0)));
    let starts = ["a", "b", "c", "d"].map(|label| span("start").label(label));
    let middle = |label, parent| span("middle").label(label).child_of(remote(parent));
    let middles = [middle("of b", "b"), middle("of a", "a")];
    let ends = [end(["of b", "c"]), end(["of a", "a"])];
    matches_in_any_order(starts.into_iter().chain(middles).chain(ends));
}

#[test]
fn a_thousand_equal_messages_in_one_batch() {
    let sends = (0..1_000).map(|at| send(at.to_string()));
    let telemetry = finish(sends.chain([process((0..1_000).map(|at| (at.to_string(), at)))]));
    let process = process((0..1_000).rev().map(|at| (at.to_string(), at)));
    let sends = (0..1_000).rev().map(|at| send(at.to_string()));
    let mut expected: Vec<ExpectedSpan> = sends.chain([process]).collect();
    telemetry.assert_spans(expected.clone());
    expected[500].kind = Some(SpanKind::Producer);
    assert_eq!(differing(&telemetry, expected), "- kind Producer\n+ kind Internal");
}

#[test]
fn hundreds_of_batches_that_nothing_tells_apart() {
    let batch = |batch| {
        let labels = [0, 1, 2].map(|number| format!("{number} of {batch}"));
        let sends = labels.clone().map(send);
        sends.into_iter().chain([process(labels.map(|label| (label, 0)))])
    };
    let mut spans: Vec<ExpectedSpan> = (0..300).flat_map(batch).collect();
    let telemetry = finish(spans.clone());
    // Processes first, and not in the order of the finished spans.
    spans.sort_by_key(|span| (span.name == "send", span.label.clone()));
    telemetry.assert_spans(spans.clone());
    spans[100].kind = Some(SpanKind::Client);
    assert_eq!(differing(&telemetry, spans), "- kind Client\n+ kind Internal");
}

#[test]
fn ten_thousand_links_and_a_thousand_children() {
    let links = (1..=10_000).map(|id| (context(id), id.cast_signed()));
    let batch = process(links.clone().rev()).label("batch");
    let children = (0..1_000).map(|at| span(format!("ack {at}")).child_of("batch"));
    let mut expected: Vec<ExpectedSpan> = children.clone().rev().chain([batch]).collect();
    let telemetry = finish([process(links).label("batch")].into_iter().chain(children));
    telemetry.assert_spans(expected.clone());
    expected[1_000].references.pop();
    let link = format!("link to {} {{offset = 1}}", text::show_ids(&context(1)));
    assert_eq!(differing(&telemetry, expected), format!("+ {link}"));
}

#[test]
fn spans_that_are_not_listed_can_be_ignored() {
    let telemetry = finish(orders());
    let [request, first, ..] = orders();
    let found = telemetry.assert_includes([first.clone(), request.clone()]);
    assert_eq!(found[0].parent_span_id, found[1].span_context.span_id());
    let message = failure_of(&telemetry, || {
        telemetry.assert_includes([request, span("bill")]);
    });
    assert_eq!(
        message,
        "spans differ: 2 expected (-), 4 finished (+)\n\n\
         span \"bill\" was not found:\n    \
             - name \"bill\"\n    \
             - kind Internal\n    \
             - status Unset\n    \
             - root\n\n\
         other spans that have finished: \"send\", \"send\", \"process\"\n"
    );
    let telemetry = finish([process([(context(1), 0)]), span("process")]);
    telemetry.assert_includes([span("process")]);
}

#[test]
fn what_is_not_named_of_a_span_can_be_ignored() {
    let telemetry = finish(orders());
    let [request, first, second, batch] = orders();
    let process = || span("process").includes([]).error("Timeout", Some("too late"));
    telemetry.assert_includes([process()]);
    for part in [
        process().kind(SpanKind::Consumer).root(),
        process().linked_to(remote("second")),
        process().link_with(remote("first"), [("offset", 0.into())]),
        process().event("failed", []),
        span("process").linked_to(remote("first")).error("Timeout", Some("too late")).includes([]),
    ] {
        telemetry.assert_spans([request.clone(), first.clone(), second.clone(), part]);
    }
    for wrong in [
        span("process").includes([]),
        process().kind(SpanKind::Client),
        process().child_of("request"),
        process().linked_to(remote("request")),
        process().linked_to(remote("first")).linked_to(remote("first")),
        process().link_with(remote("first"), [("offset", 2.into())]),
        process().event("failed", [("offset", 0.into())]),
        process().event("other", []),
        process().includes([("system", any())]),
        process().dropped_links(1),
    ] {
        let expected = [request.clone(), first.clone(), second.clone(), wrong];
        assert_ne!(differing(&telemetry, expected), "");
    }
    let expected = [request, first, second, process().linked_to(remote("request"))];
    assert_eq!(
        differing(&telemetry, expected),
        "- link to remote \"request\" {any others}\n\
         + link to remote \"first\" {offset = 0}\n\
         + link to remote \"second\" {offset = 1}"
    );
    let one = || span("send").includes([("system", "kafka".into())]);
    telemetry.assert_includes([one(), one(), batch_alone(batch)]);
    let three = failure_of(&telemetry, || {
        telemetry.assert_includes([one(), one(), one()]);
    });
    assert!(three.contains("span \"send\" was not found"), "{three}");
}

/// A batch whose links are not compared, as the spans that they lead to are not listed.
fn batch_alone(mut batch: ExpectedSpan) -> ExpectedSpan {
    batch.references.truncate(1);
    batch.includes([])
}

#[test]
fn dropped_links_are_ignored_with_the_rest() {
    let telemetry = Telemetry::builder().with_max_links_per_span(1).build();
    let links = vec![Link::with_context(context(1)), Link::with_context(context(2))];
    SpanBuilder::from_name("process").with_links(links).start(&telemetry.tracer());
    telemetry.assert_spans([span("process").includes([])]);
    telemetry.assert_spans([span("process").dropped_links(1).includes([])]);
}

#[test]
#[should_panic(expected = "no expected span is labelled \"request\"")]
fn labels_must_exist() {
    finish([]).assert_spans([span("send").child_of("request")]);
}

#[test]
#[should_panic(expected = "two expected spans are labelled \"one\"")]
fn labels_are_given_once() {
    finish([]).assert_spans([send("one"), send("one")]);
}

#[test]
#[should_panic(expected = "attribute error.type is expected twice")]
fn an_error_type_is_expected_once() {
    let _ = span("send").attributes([("error.type", "other".into())]).error("Timeout", None);
}

#[test]
#[should_panic(expected = "the context of the expected parent is not valid")]
fn a_parent_is_valid() {
    let _ = span("send").child_of(SpanContext::NONE);
}
