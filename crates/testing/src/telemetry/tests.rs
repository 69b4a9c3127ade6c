use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::SystemTime,
};

use opentelemetry::{
    KeyValue, SpanId, TraceFlags, TraceId,
    trace::{
        Link, Span as _, SpanContext, SpanKind, TraceContextExt as _, TraceState, Tracer as _,
    },
};
use opentelemetry_sdk::trace::SamplingDecision;

use super::*;
use crate::attributes::assert_attributes;

fn names(spans: &[FinishedSpan]) -> Vec<&str> {
    spans.iter().map(|span| &*span.name).collect()
}

#[test]
fn spans_are_there_in_the_order_of_their_ends() {
    let telemetry = Telemetry::new();
    let tracer = telemetry.tracer();
    let first = tracer.start("first");
    drop(tracer.start("second"));
    assert_eq!(names(&telemetry.spans()), ["second"]);
    drop(first);
    assert_eq!(names(&telemetry.spans()), ["second", "first"]);
    assert_eq!(telemetry.spans()[0].scope().name(), "application");
    telemetry.clear();
    assert!(telemetry.spans().is_empty());
}

#[test]
fn two_telemetries_do_not_meet() {
    let (one, other) = (Telemetry::new(), Telemetry::default());
    drop(one.tracer().start("one"));
    assert_eq!(names(&one.spans()), ["one"]);
    assert!(other.spans().is_empty());
}

#[test]
fn waiting_ends_when_the_spans_are_there() {
    let telemetry = Telemetry::new();
    let tracer = telemetry.tracer();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| telemetry.wait_for(2));
        let looking = scope.spawn(|| telemetry.wait_until(|spans| names(spans).contains(&"b")));
        drop(tracer.start("a"));
        drop(tracer.start("b"));
        assert_eq!(names(&waiting.join().unwrap()), ["a", "b"]);
        assert_eq!(names(&looking.join().unwrap()), ["a", "b"]);
    });
}

#[test]
fn waiting_in_vain_prints_what_is_there() {
    let mut telemetry = Telemetry::new();
    telemetry.time_limit = Duration::from_millis(10);
    let mut span = telemetry.tracer().start("send");
    span.set_attribute(KeyValue::new("system", "kafka"));
    drop(span);
    let panic = catch_unwind(AssertUnwindSafe(|| telemetry.wait_for(2))).unwrap_err();
    let message = *panic.downcast::<String>().unwrap();
    assert!(message.starts_with("waited 10ms for 2 spans; finished are 1:\n\nspan \"send\", "));
    assert!(message.contains("\n    attribute system = \"kafka\"\n"), "{message}");
    // It can be used afterwards.
    assert_eq!(names(&telemetry.wait_for(1)), ["send"]);
}

#[test]
fn a_condition_that_panics_does_no_harm() {
    let telemetry = Telemetry::new();
    catch_unwind(AssertUnwindSafe(|| telemetry.wait_until(|_| panic!("no")))).unwrap_err();
    drop(telemetry.tracer().start("send"));
    assert_eq!(names(&telemetry.wait_for(1)), ["send"]);
}

#[test]
fn the_sampler_is_asked_and_obeyed() {
    let sampler = SeenBySampler::new(SamplingDecision::Drop);
    let telemetry = Telemetry::builder().with_sampler(sampler.clone()).build();
    let tracer = telemetry.tracer();
    let (trace, id) = (TraceId::from(1), SpanId::from(2));
    let linked = SpanContext::new(trace, id, TraceFlags::SAMPLED, true, TraceState::NONE);
    let span = tracer
        .span_builder("send")
        .with_kind(SpanKind::Producer)
        .with_attributes([KeyValue::new("system", "kafka")])
        .with_links(vec![Link::with_context(linked); 200])
        .start(&tracer);
    let context = Context::new().with_span(span);
    drop(tracer.start_with_context("child", &context));
    context.span().end();
    assert!(telemetry.spans().is_empty());
    let [send, child] = &sampler.seen()[..] else { panic!("asked {} times", sampler.seen().len()) };
    assert_eq!((&*send.name, &send.kind, send.links.len()), ("send", &SpanKind::Producer, 200));
    assert_attributes(&send.attributes, [("system", "kafka".into())]);
    assert_eq!(send.parent, None);
    assert_eq!(child.parent.as_ref(), Some(context.span().span_context()));
}

#[test]
fn recorded_is_not_sampled() {
    let sampler = SeenBySampler::new(SamplingDecision::RecordOnly);
    let telemetry = Telemetry::builder().with_sampler(sampler).build();
    assert!(telemetry.tracer().start("send").is_recording());
    assert!(telemetry.spans().is_empty());
}

#[test]
fn seconds_are_those_of_a_duration_metric() {
    let telemetry = Telemetry::new();
    let tracer = telemetry.tracer();
    let start = SystemTime::UNIX_EPOCH;
    let mut span = tracer.span_builder("send").with_start_time(start).start(&tracer);
    span.end_with_timestamp(start + Duration::from_micros(1_500_001));
    let seconds = telemetry.spans()[0].seconds();
    assert_eq!(seconds.to_bits(), Duration::from_micros(1_500_001).as_secs_f64().to_bits());
}

#[test]
#[should_panic(expected = "span \"send\" ended too early")]
fn time_does_not_run_backwards() {
    let telemetry = Telemetry::new();
    let tracer = telemetry.tracer();
    let mut span = tracer.span_builder("send").with_start_time(SystemTime::now()).start(&tracer);
    span.end_with_timestamp(SystemTime::UNIX_EPOCH);
    telemetry.spans()[0].seconds();
}
