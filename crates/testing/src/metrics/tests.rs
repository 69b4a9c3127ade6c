use std::panic::{AssertUnwindSafe, catch_unwind};

use opentelemetry::{KeyValue, metrics::MeterProvider as _};

use super::*;
use crate::attributes::any;

fn scope(version: &'static str) -> InstrumentationScope {
    let url = "https://opentelemetry.io/schemas/1.44.0";
    InstrumentationScope::builder("rdkafka").with_version(version).with_schema_url(url).build()
}

/// Three messages sent to two destinations in two operations.
fn sent() -> Telemetry {
    let telemetry = Telemetry::builder().expecting_scope(scope("1")).build();
    let meter = telemetry.meter_provider().meter_with_scope(scope("1"));
    let messages = meter.u64_counter("sent").with_unit("{message}").build();
    messages.add(2, &[KeyValue::new("to", "orders"), KeyValue::new("system", "kafka")]);
    messages.add(1, &[KeyValue::new("to", "bills"), KeyValue::new("system", "kafka")]);
    let duration = meter.f64_histogram("duration").with_unit("s");
    let duration = duration.with_boundaries(vec![0.1, 1.0]).build();
    duration.record(0.25, &[KeyValue::new("to", "orders")]);
    duration.record(0.5, &[KeyValue::new("to", "orders")]);
    duration.record(0.125, &[KeyValue::new("to", "bills")]);
    telemetry
}

fn expected_sent() -> [ExpectedMetric; 2] {
    [
        histogram("duration")
            .unit("s")
            .boundaries(&[0.1, 1.0])
            .point_with_sum(2, 0.75, [("to", "orders".into())])
            .point(1, [("to", any())]),
        counter("sent")
            .unit("{message}")
            .point(2, [("system", "kafka".into()), ("to", "orders".into())])
            .point(1, [("to", "bills".into()), ("system", "kafka".into())]),
    ]
}

#[track_caller]
fn failure<const N: usize>(telemetry: &Telemetry, expected: [ExpectedMetric; N]) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| telemetry.assert_metrics(expected)))
        .expect_err("the assertion must fail");
    *panic.downcast().expect("a formatted message")
}

#[test]
fn equal_metrics_match_again_and_again() {
    let telemetry = sent();
    telemetry.assert_metrics(expected_sent());
    let [duration, sent] = expected_sent();
    telemetry.assert_metrics([sent.scope(scope("1")), duration]);
    assert_eq!(telemetry.histogram_sums("duration"), [0.125, 0.75]);
    telemetry.assert_metrics(expected_sent());
}

#[test]
fn what_is_not_named_can_be_ignored() {
    let telemetry = sent();
    let sent = || counter("sent");
    telemetry.assert_metrics_include([]);
    telemetry.assert_metrics_include([sent()]);
    telemetry.assert_metrics_include([sent().point(2, [("to", "orders".into())])]);
    telemetry.assert_metrics_include([histogram("duration").point(1, [])]);
    telemetry.assert_metrics_include(expected_sent());
    for wrong in [
        sent().point(1, [("to", "orders".into())]),
        sent().point(2, []).point(2, []),
        sent().unit("s"),
        sent().scope(scope("2")),
        histogram("sent"),
        histogram("duration").boundaries(&[0.1]),
        histogram("duration").point_with_sum(1, 0.25, []),
    ] {
        let assertion = || telemetry.assert_metrics_include([wrong]);
        catch_unwind(AssertUnwindSafe(assertion)).unwrap_err();
    }
    let wrong = [sent().point(3, [("to", "orders".into())])];
    let assertion = || telemetry.assert_metrics_include(wrong);
    let panic = catch_unwind(AssertUnwindSafe(assertion)).unwrap_err();
    assert_eq!(
        *panic.downcast::<String>().unwrap(),
        "metrics differ: 1 expected (-), 2 found (+)\n\n\
         metric \"sent\" differs:\n      \
               kind counter of u64\n      \
               scope rdkafka 1 https://opentelemetry.io/schemas/1.44.0 {}\n    \
             - point 3 {any others, to = \"orders\"}\n    \
             + point 1 {system = \"kafka\", to = \"bills\"}\n    \
             + point 2 {system = \"kafka\", to = \"orders\"}\n\n\
         other metrics: \"duration\"\n"
    );
}

#[test]
fn what_is_recorded_later_adds_up() {
    let telemetry = sent();
    telemetry.assert_metrics(expected_sent());
    let meter = telemetry.meter_provider().meter_with_scope(scope("1"));
    meter.u64_counter("consumed").build().add(1, &[]);
    let [duration, sent] = expected_sent();
    telemetry.assert_metrics([duration, sent, counter("consumed").point(1, [])]);
}

#[test]
fn instruments_without_data_are_not_there() {
    let telemetry = Telemetry::new();
    telemetry.assert_metrics([]);
    let _unused = telemetry.meter_provider().meter("rdkafka").u64_counter("sent").build();
    telemetry.assert_metrics([]);
    assert_eq!(
        failure(&telemetry, [counter("sent").point(1, [])]),
        "metrics differ: 1 expected (-), 0 found (+)\n\n\
         metric \"sent\" was not found:\n    \
             - kind counter of u64\n    \
             - unit \"\"\n    \
             - boundaries []\n    \
             - point 1 {}\n"
    );
}

#[test]
fn a_metric_that_is_not_expected_is_shown() {
    let [_, counter] = expected_sent();
    assert_eq!(
        failure(&sent(), [counter]),
        "metrics differ: 1 expected (-), 2 found (+)\n\n\
         metric \"duration\" was not expected:\n    \
             + kind histogram of f64\n    \
             + unit \"s\"\n    \
             + boundaries [0.1, 1.0]\n    \
             + scope rdkafka 1 https://opentelemetry.io/schemas/1.44.0 {}\n    \
             + point 1 sum 0.125 {to = \"bills\"}\n    \
             + point 2 sum 0.75 {to = \"orders\"}\n"
    );
}

#[test]
fn everything_that_differs_is_told() {
    let duration = histogram("duration")
        .unit("ms")
        .boundaries(&[0.1])
        .point(1, [("to", "bills".into())])
        .point_with_sum(2, 0.5, [("to", "orders".into())])
        .scope(scope("2"));
    let sent_to = counter("sent").unit("{message}").point(3, [("to", "orders".into())]);
    let message = failure(&sent(), [duration, sent_to]);
    assert_eq!(
        message,
        "metrics differ: 2 expected (-), 2 found (+)\n\n\
         metric \"duration\" differs:\n      \
               kind histogram of f64\n    \
             - unit \"ms\"\n    \
             - boundaries [0.1]\n    \
             - scope rdkafka 2 https://opentelemetry.io/schemas/1.44.0 {}\n    \
             + unit \"s\"\n    \
             + boundaries [0.1, 1.0]\n    \
             + scope rdkafka 1 https://opentelemetry.io/schemas/1.44.0 {}\n      \
               point 1 {to = \"bills\"}\n    \
             - point 2 sum 0.5 {to = \"orders\"}\n    \
             + point 2 sum 0.75 {to = \"orders\"}\n\n\
         metric \"sent\" differs:\n      \
               unit \"{message}\"\n      \
               boundaries []\n      \
               scope rdkafka 1 https://opentelemetry.io/schemas/1.44.0 {}\n    \
             - point 3 {to = \"orders\"}\n    \
             + point 1 {system = \"kafka\", to = \"bills\"}\n    \
             + point 2 {system = \"kafka\", to = \"orders\"}\n"
    );
}

#[test]
fn other_kinds_never_match() {
    let telemetry = Telemetry::new();
    let meter = telemetry.meter_provider().meter("rdkafka");
    meter.f64_counter("sent").build().add(1.0, &[]);
    meter.u64_histogram("duration").build().record(1, &[]);
    meter.u64_gauge("depth").build().record(1, &[]);
    meter.i64_up_down_counter("open").build().add(1, &[]);
    let expected = [counter("sent"), histogram("duration"), counter("depth"), counter("open")];
    let message = failure(&telemetry, expected);
    for line in [
        "+ kind Cumulative sum, monotonic, of f64",
        "+ kind Cumulative histogram of u64",
        "+ kind gauge of u64",
        "+ kind Cumulative sum, not monotonic, of i64",
    ] {
        assert!(message.contains(line), "{line} is not in\n{message}");
    }
    assert!(catch_unwind(AssertUnwindSafe(|| telemetry.histogram_sums("duration"))).is_err());
}

#[test]
fn a_stream_of_another_scope_is_not_overlooked() {
    let telemetry = sent();
    telemetry.meter_provider().meter("other").u64_counter("sent").build().add(1, &[]);
    assert!(failure(&telemetry, expected_sent()).contains("metric \"sent\" was not expected"));
}

#[test]
#[should_panic(expected = "metric \"sent\" is expected twice")]
fn a_metric_is_expected_once() {
    Telemetry::new().assert_metrics([counter("sent"), histogram("sent")]);
}

#[test]
#[should_panic(expected = "there are 0 metrics \"duration\", not one")]
fn sums_need_a_histogram() {
    Telemetry::new().histogram_sums("duration");
}

#[test]
#[should_panic(expected = "metric \"sent\" has no boundaries")]
fn counters_have_no_boundaries() {
    let _ = counter("sent").boundaries(&[1.0]);
}
