//! The examples are small, and the one that needs no broker prints what it promises.

#![allow(clippy::unwrap_used, reason = "clippy spares test functions only, not what they call")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

#[test]
fn kafka_links_orders_to_invoices_and_the_batch() {
    let output = Command::new(env!("CARGO_BIN_EXE_kafka")).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}\n{printed}", output.status);
    let count = |line: &str| printed.lines().filter(|it| it.trim_end() == line).count();
    let batch = "-> send invoices  -> send invoices  -> send invoices";
    for (expected, line) in [
        (1, "booked: pay for 7 apples"),
        (3, "send orders       producer    in POST /orders"),
        (3, "poll orders       client      -> send orders"),
        (3, "process orders    consumer    -> send orders"),
        (3, "send invoices     producer    in process orders  -> send orders"),
        (3, "commit orders     client      in process orders  -> send orders"),
        (1, &format!("poll invoices     client      {batch}")),
        (1, &format!("process invoices  consumer    {batch}")),
    ] {
        assert_eq!(count(line), expected, "{line:?} in\n{printed}");
    }
}

#[test]
fn each_program_has_less_than_120_lines() {
    let mut programs = Vec::new();
    find(Path::new(env!("CARGO_MANIFEST_DIR")), &mut programs);
    assert!(programs.len() > 10, "{programs:?}");
    for program in programs {
        let lines = fs::read_to_string(&program).unwrap().lines().count();
        assert!(lines < 120, "{} has {lines} lines", program.display());
    }
}

/// Finds the sources that are no tests.
fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            find(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}
