//! The program as a person runs it: day and night in one process, or in two.

use std::{collections::HashMap, path::Path, process::Command};

/// Runs the program, which must succeed; gives its lines.
fn run(arguments: &[&str]) -> Vec<String> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_otel-messaging-outbox")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (printed, complaints) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{}\n{printed}\n{complaints}", output.status);
    printed.lines().map(str::to_owned).collect()
}

/// The spans of one name: the id of each, and what it links to.
fn spans<'l>(lines: &'l [String], name: &str) -> Vec<(&'l str, Vec<&'l str>)> {
    let of_name = lines.iter().filter_map(|line| line.split_once("  "));
    let of_name = of_name.filter_map(|(id, rest)| Some((id, rest.strip_prefix(name)?)));
    of_name.map(|(id, rest)| (id, rest.split("  -> ").skip(1).collect())).collect()
}

fn assert_links(lines: &[String], requests: &[(&str, Vec<&str>)], names: &[&str]) {
    for name in names {
        let linked: Vec<_> = spans(lines, name).into_iter().map(|(_, links)| links).collect();
        let expected: Vec<_> = requests.iter().map(|&(request, _)| vec![request]).collect();
        assert_eq!(linked, expected, "{name}");
    }
}

fn assert_night(lines: &[String], requests: &[(&str, Vec<&str>)]) {
    let rows = requests.iter().zip(1..);
    let rows: Vec<_> = rows.map(|((request, _), row)| format!("{request} (row {row})")).collect();
    let [(_, linked)] = &spans(lines, "process outbox")[..] else { panic!("one span: {lines:?}") };
    assert_eq!(linked, &rows);
}

#[test]
fn day_and_night_pass_in_one_process() {
    let lines = run(&[]);
    assert_eq!(lines[0], "3 orders were placed, 3 are sent");
    assert_eq!(lines[4], "3 orders are booked");
    let requests = spans(&lines, "POST /orders");
    assert_eq!(requests.len(), 3);
    assert_links(&lines, &requests, &["send orders", "poll orders", "process orders"]);
    assert_night(&lines, &requests);
}

#[test]
fn contexts_survive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let path = path.to_str().unwrap();
    let days = [run(&[path, "day"]), run(&[path, "day"])];
    let requests: Vec<_> = days.iter().flat_map(|day| spans(day, "POST /orders")).collect();
    assert_eq!(requests.len(), 6);
    let night = run(&[path, "night"]);
    assert_eq!(night[0], "6 orders are booked");
    assert_night(&night, &requests);
    assert_eq!(night.len(), 2, "there are no other spans: {night:?}");
    assert_eq!(run(&[path, "night"]), ["0 orders are booked"]);
}

#[test]
fn each_file_has_less_than_120_lines() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: HashMap<_, _> = directory
        .read_dir()
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap().lines().count()))
        .collect();
    assert!(files.len() > 1);
    assert!(files.values().all(|&lines| lines < 120), "{files:?}");
}
