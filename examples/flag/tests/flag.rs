//! The application says the same in both builds, and the bare one has nothing of OpenTelemetry.

#![allow(clippy::expect_used, reason = "panicking is how tests tell")]

use std::{
    env,
    process::{Command, Output},
};

/// Cargo, the same one that builds these tests, with the committed versions.
fn cargo(args: &[&str]) -> Output {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(args).args(["--locked", "--package", env!("CARGO_PKG_NAME")]);
    let output = command.output().expect("cargo starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {args:?}: {}\n{stderr}", output.status);
    output
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("it is text")
}

#[test]
fn r30_both_builds_behave_the_same() {
    let bare = cargo(&["run", "--quiet", "--no-default-features"]);
    let instrumented = cargo(&["run", "--quiet"]);
    let said = text(bare.stdout);
    assert_eq!(said, text(instrumented.stdout));
    assert_eq!(
        said,
        "packed 1\n\
         not packed: \"no pears\" is not an order\n\
         packed 2 in a task that owns its order\n\
         packed 18 of 4 orders at once\n"
    );
    assert_eq!(text(bare.stderr), "", "the bare build has no spans to show");
    let spans = text(instrumented.stderr);
    let count = |span: &str| spans.lines().filter(|line| *line == span).count();
    assert_eq!(count("send orders      0 links"), 7, "{spans}");
    assert_eq!(count("send parcels     0 links"), 6, "{spans}");
    assert_eq!(count("process orders   1 links"), 3, "{spans}");
    assert_eq!(count("process orders   4 links"), 1, "{spans}");
}

#[test]
fn r30_the_bare_build_has_no_opentelemetry() {
    let tree = |features: &[&str]| {
        let listed = ["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
        text(cargo(&[&listed, features].concat()).stdout)
    };
    let is_of_opentelemetry = |line: &&str| line.contains("opentelemetry");
    let bare = tree(&["--no-default-features"]);
    assert!(bare.lines().any(|line| line.starts_with("rdkafka v")), "{bare}");
    assert_eq!(bare.lines().find(is_of_opentelemetry), None, "{bare}");
    let instrumented = tree(&[]);
    assert!(instrumented.lines().any(|line| line.starts_with("opentelemetry v")), "{instrumented}");
}
