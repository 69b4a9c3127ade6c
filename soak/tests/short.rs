//! The shortest soak, as a test: each broker is killed once.

use std::time::Duration;

use otel_messaging_soak::{Options, run};

#[test]
fn every_message_span_and_metric_is_accounted_for() {
    let report = run(&Options { duration: Duration::ZERO, seed: 7, instance: "soak-short" });
    assert!(report.is_good(), "{report}");
}
