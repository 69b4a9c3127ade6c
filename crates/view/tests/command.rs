//! The program, as a person runs it.

#![allow(clippy::unwrap_used, reason = "clippy spares test functions only, not what they call")]

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

const SPAN: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"send orders","kind":4,"startTimeUnixNano":"1000","endTimeUnixNano":"4000"}]}]}]}"#;

/// Runs the program and returns its exit status and what it printed on both outputs.
fn run(args: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otel-messaging-view"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that has refused its options reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn files_and_standard_input_become_one_page() {
    let directory = tempfile::tempdir().unwrap();
    let [file, page] = ["spans.jsonl", "page.html"].map(|it| directory.path().join(it));
    let other = SPAN.replace("orders", "invoices").replace("01020304", "11020304");
    fs::write(&file, other + "\nnonsense").unwrap();
    let [file, page] = [&file, &page].map(|it| it.to_str().unwrap());
    let (status, printed, said) = run(&[file, "-", "-o", page, "--title", "<Orders>"], SPAN);
    assert_eq!((status, printed), (0, String::new()));
    assert!(said.contains("spans.jsonl has 1 line that is no OTLP: 2"), "{said}");
    assert!(said.contains("2 spans are in "), "{said}");
    let page = fs::read_to_string(page).unwrap();
    for shown in ["<title>&lt;Orders&gt;</title>", "send orders", "send invoices"] {
        assert!(page.contains(shown), "no {shown}");
    }
}

#[test]
fn without_a_file_for_the_page_the_traces_are_printed() {
    let (status, printed, said) = run(&["-"], SPAN);
    assert_eq!((status, &*said), (0, ""));
    assert!(
        printed.ends_with("\nsend orders                 PRODUCER               3 µs  01020304\n")
    );
}

#[test]
fn what_cannot_work_ends_with_advice() {
    let (status, _, said) = run(&["/no/such/file"], "");
    assert_eq!(status, 1);
    assert!(said.contains("cannot read /no/such/file: No such file"), "{said}");
    let (status, _, said) = run(&["-"], "nonsense");
    assert_eq!(status, 1);
    assert!(
        said.ends_with("stdin has no spans\notel-messaging-view: there are no spans\n"),
        "{said}"
    );
    let (status, _, said) = run(&["-", "-o", "/no/such/directory/page.html"], SPAN);
    assert_eq!(status, 1);
    assert!(said.contains("cannot write /no/such/directory/page.html"), "{said}");
    let (status, _, said) = run(&[], "");
    assert_eq!(status, 2);
    assert!(said.contains("<FILE>"), "{said}");
}
