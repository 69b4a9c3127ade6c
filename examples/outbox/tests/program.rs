//! The program as a person runs it.

use std::process::Command;

#[test]
fn the_night_links_to_the_requests_of_the_day() {
    let output = Command::new(env!("CARGO_BIN_EXE_otel-messaging-outbox")).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}\n{printed}", output.status);
    assert_eq!(printed.lines().next(), Some("3 orders were sent, 3 were booked"));

    let spans = |name: &str| -> Vec<(&str, Vec<&str>)> {
        let lines = printed.lines().filter_map(|line| line.split_once("  "));
        let spans = lines.filter_map(|(id, rest)| Some((id, rest.strip_prefix(name)?)));
        spans.map(|(id, links)| (id, links.split("  -> ").skip(1).collect())).collect()
    };
    let requests: Vec<&str> = spans("POST /orders").into_iter().map(|(id, _)| id).collect();
    assert_eq!(requests.len(), 3);
    for name in ["send orders", "poll orders", "process orders"] {
        let links: Vec<_> = spans(name).into_iter().flat_map(|(_, links)| links).collect();
        assert_eq!(links, requests, "{name}");
    }
    let [(_, links)] = &spans("process outbox")[..] else { panic!("one span:\n{printed}") };
    assert_eq!(links, &requests);
}
