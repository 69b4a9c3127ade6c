//! A test that fails leaves a page of its spans, where a variable asks for it.

use std::{env, fs, process::Command};

use opentelemetry::trace::{Link, Span as _, Tracer as _};
use otel_messaging_testing::telemetry::Telemetry;

/// Set in the process whose test fails on purpose.
const FAILS: &str = "OTEL_MESSAGING_TESTING_FAILS";

/// Records a span that links to another.
fn record() -> Telemetry {
    let telemetry = Telemetry::new();
    let tracer = telemetry.tracer();
    let sent = tracer.start("send orders");
    let link = Link::with_context(sent.span_context().clone());
    drop(tracer.span_builder("process orders").with_links(vec![link]).start(&tracer));
    telemetry
}

#[test]
fn a_page_is_written_where_it_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spans.html");
    record().write_html(&path).unwrap();
    let page = fs::read_to_string(path).unwrap();
    for shown in ["send orders", "process orders", "a_page_is_written_where_it_is_asked_for"] {
        assert!(page.contains(shown), "no {shown}");
    }
    assert!(record().write_html(directory.path().join("no/such/directory")).is_err());
}

#[test]
fn only_a_test_that_fails_leaves_a_page() {
    let directory = tempfile::tempdir().unwrap();
    let run = |fails: &str| {
        let mut test = Command::new(env::current_exe().unwrap());
        test.args(["--exact", "fails_where_it_is_told_to", "--nocapture"]);
        let test = test.env("OTEL_MESSAGING_HTML", directory.path()).env(FAILS, fails);
        let output = test.output().unwrap();
        let pages = fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().file_name());
        let mut pages: Vec<_> = pages.collect();
        pages.sort_unstable();
        (output.status.success(), pages, String::from_utf8(output.stderr).unwrap())
    };
    let (succeeded, pages, _) = run("");
    assert!(succeeded && pages.is_empty(), "{pages:?}");
    let (succeeded, pages, said) = run("true");
    assert!(!succeeded);
    assert_eq!(pages, ["fails_where_it_is_told_to-2.html", "fails_where_it_is_told_to.html"]);
    assert!(said.contains("the spans of this test are in "), "{said}");
}

#[test]
fn fails_where_it_is_told_to() {
    let (_first, _second) = (record(), record());
    assert!(env::var(FAILS).unwrap_or_default().is_empty(), "told to fail");
}
