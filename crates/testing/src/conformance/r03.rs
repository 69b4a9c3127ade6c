use opentelemetry::{
    Context,
    context::FutureExt as _,
    trace::{SpanContext, TraceContextExt as _, TraceState},
};
use otel_messaging_core::{CreationContext, Propagation};

use super::{
    Broker, Fault, Header, Outgoing,
    propagator::w3c,
    scene::{Scene, foreign, foreign_context, order, ordered, others, traceparent, values},
};

/// Injection replaces headers: after any number of sends, retries and forwards, each field of the
/// propagator has exactly one value, and all other headers are unchanged.
pub async fn r03_inject_replaces<B: Broker>() {
    for propagation in w3c() {
        let scene = Scene::<B>::with(|builder| builder.with_propagator(propagation.clone())).await;
        stale_fields_are_gone(&scene, &propagation).await;
        stale_fields_are_gone_in_any_case(&scene).await;
        forwards_do_not_pile_up(&scene).await;
        retries_do_not_pile_up(&scene).await;
        batches_and_kept_contexts_replace_too(&scene).await;
    }
}

/// Returns headers that must not change: bytes, nulls and duplicates, in their order.
fn headers<B: Broker>() -> Vec<Header> {
    let text = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
    let mut headers = vec![text("first", "1"), text("empty", ""), text("x-traceparent-not", "1")];
    if B::HEADERS.duplicate {
        headers.extend([text("twice", "1"), text("other", "1"), text("twice", "2")]);
    }
    if B::HEADERS.null {
        headers.push(("null".to_owned(), None));
    }
    if B::HEADERS.binary {
        headers.push(("binary".to_owned(), Some(vec![0xff, 0, 0xfe, b'\n'])));
    }
    headers.push(text("last", "9"));
    headers
}

/// Asserts that all headers but the propagator's are those of [`headers`].
#[track_caller]
fn assert_untouched<B: Broker>(found: &[Header]) {
    let (found, expected) = (ordered::<B>(others(found)), ordered::<B>(headers::<B>()));
    assert_eq!(found, expected, "headers that are not the propagator's");
}

#[track_caller]
fn assert_fields(found: &[Header], sent: &SpanContext, state: Option<&str>, baggage: &[&str]) {
    assert_eq!(values(found, "traceparent"), [traceparent(sent)]);
    assert_eq!(values(found, "tracestate"), state.as_slice());
    assert_eq!(values(found, "baggage"), baggage);
}

async fn stale_fields_are_gone<B: Broker>(scene: &Scene<B>, propagation: &Propagation) {
    let mut stale = headers::<B>();
    let field = |name: &str, value: String| (name.to_owned(), Some(value.into_bytes()));
    stale.insert(0, field("traceparent", foreign(1)));
    stale.insert(2, field("tracestate", "stale=1".to_owned()));
    stale.insert(3, field("baggage", "stale=1".to_owned()));
    if B::HEADERS.duplicate {
        stale.push(field("traceparent", foreign(2)));
        stale.push(field("tracestate", "stale=2".to_owned()));
    }
    scene.telemetry.clear();
    // Without an ambient context, there is no `tracestate` and no baggage to inject.
    scene.send(order().with_all_headers(stale.clone())).await;
    let message = scene.receive().await;
    let found = B::headers_of(&message);
    let sent = scene.the_send().span_context.clone();
    // A propagator without baggage does not change the header `baggage`.
    let with_baggage = matches!(propagation, Propagation::TraceContextAndBaggage);
    assert_fields(&found, &sent, None, if with_baggage { &[] } else { &["stale=1"] });
    assert_untouched::<B>(&found);

    // With an ambient `tracestate`, its value is the only one.
    scene.telemetry.clear();
    scene.send(order().with_all_headers(stale)).with_context(with_state("fresh=1")).await;
    let message = scene.receive().await;
    let found = B::headers_of(&message);
    let sent = scene.the_send().span_context.clone();
    assert_fields(&found, &sent, Some("fresh=1"), if with_baggage { &[] } else { &["stale=1"] });
    assert_untouched::<B>(&found);
}

/// Asserts that stale fields are removed whatever the case of their names: consumers in other
/// languages ignore the case.
async fn stale_fields_are_gone_in_any_case<B: Broker>(scene: &Scene<B>) {
    let mut stale = headers::<B>();
    for name in ["Traceparent", "TRACESTATE", "TraceState", "TraceParent"] {
        stale.push((name.to_owned(), Some(foreign(1).into_bytes())));
    }
    scene.telemetry.clear();
    scene.send(order().with_all_headers(stale)).await;
    let found = B::headers_of(&scene.receive().await);
    let is_field = |name: &str, field: &str| name.eq_ignore_ascii_case(field);
    let in_any_case = |field| found.iter().filter(|(name, _)| is_field(name, field)).count();
    assert_eq!((in_any_case("traceparent"), in_any_case("tracestate")), (1, 0), "{found:?}");
    assert_fields(&found, &scene.the_send().span_context, None, &[]);
    assert_untouched::<B>(&found);
}

async fn forwards_do_not_pile_up<B: Broker>(scene: &Scene<B>) {
    let mut headers = headers::<B>();
    for round in 0..4 {
        scene.telemetry.clear();
        // Every second send has a `tracestate`, which the next one must remove.
        let ambient = if round % 2 == 0 { with_state("even=1") } else { Context::new() };
        scene.send(order().with_all_headers(headers)).with_context(ambient).await;
        let message = scene.receive().await;
        headers = B::headers_of(&message);
        let sent = scene.the_send().span_context.clone();
        assert_fields(&headers, &sent, (round % 2 == 0).then_some("even=1"), &[]);
        assert_untouched::<B>(&headers);
    }
}

async fn retries_do_not_pile_up<B: Broker>(scene: &Scene<B>) {
    let mut message = order().with_all_headers(headers::<B>());
    for fault in [Fault::Refuse, Fault::Fail, Fault::Refuse, Fault::Fail] {
        if scene.broker.inject(fault).is_some() {
            let returned = scene.broker.send(message).await.expect_err("the send fails");
            assert!(values(&returned.headers, "traceparent").len() <= 1, "{returned:?}");
            assert_untouched::<B>(&returned.headers);
            message = Outgoing { body: order().body, ..returned };
        }
    }
    scene.telemetry.clear();
    scene.send(message).await;
    let message = scene.receive().await;
    let found = B::headers_of(&message);
    let sent = scene.the_send().span_context.clone();
    assert_fields(&found, &sent, None, &[]);
    assert_untouched::<B>(&found);
}

async fn batches_and_kept_contexts_replace_too<B: Broker>(scene: &Scene<B>) {
    let mut stale = headers::<B>();
    stale.push(("traceparent".to_owned(), Some(foreign(1).into_bytes())));
    stale.push(("tracestate".to_owned(), Some(b"stale=1".to_vec())));
    scene.telemetry.clear();
    let message = order().with_all_headers(stale);
    for result in scene.broker.send_batch(vec![message.clone()]).await {
        result.expect("the batch is sent");
    }
    let received = scene.receive().await;
    let name = scene.broker.destination(otel_messaging_core::OperationType::Create, "orders");
    let created = scene.the_span(&format!("create {name}")).span_context.clone();
    assert_fields(&B::headers_of(&received), &created, None, &[]);
    assert_untouched::<B>(&B::headers_of(&received));

    let creation = CreationContext::from_map([("traceparent", foreign(5))]);
    scene.broker.send_with_context(message, &creation).await.expect("the message is sent");
    let received = scene.receive().await;
    assert_fields(&B::headers_of(&received), &foreign_context(5), None, &[]);
    assert_untouched::<B>(&B::headers_of(&received));
}

/// Returns an ambient context whose span has this `tracestate`.
fn with_state(state: &'static str) -> Context {
    let (key, value) = state.split_once('=').expect("one member");
    let state = TraceState::from_key_value([(key, value)]).expect("a valid state");
    let span = foreign_context(9);
    let (trace, span) = (span.trace_id(), span.span_id());
    let flags = opentelemetry::TraceFlags::SAMPLED;
    Context::new().with_remote_span_context(SpanContext::new(trace, span, flags, true, state))
}
