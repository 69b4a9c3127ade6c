//! The program as a person runs it.

use std::process::Command;

#[test]
fn the_log_and_the_tree_are_about_the_same_spans() {
    let output = Command::new(env!("CARGO_BIN_EXE_otel-messaging-tracing")).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}\n{printed}", output.status);
    // Which spans are called so: themselves, and their parents.
    let spans = |name: &str| -> (Vec<&str>, Vec<&str>) {
        let lines = printed.lines().filter_map(|line| line.split_once(&format!(": {name}, ")));
        lines.filter_map(|(ids, _)| ids.split_once(" in ")).unzip()
    };
    // Which span each line of the log is of.
    let logged = |message: &str| -> Vec<&str> {
        let lines = printed.lines().filter(|line| line.contains(message));
        lines.filter_map(|line| line.split(' ').nth(1)).collect()
    };
    let ((requests, _), (processed, _)) = (spans("check_out"), spans("process orders"));
    assert_eq!((requests.len(), processed.len()), (3, 4), "{printed}");
    assert_eq!(logged(": started"), processed[..3]);
    for (name, message) in [("bill", ": billed"), ("mail", ": mailed")] {
        let (ids, parents) = spans(name);
        assert_eq!((logged(message), parents), (ids, processed[..3].to_vec()), "{printed}");
    }
    let (ids, parents) = spans("report");
    assert_eq!((logged(": reported"), parents), (ids, processed[3..].to_vec()), "{printed}");
    let batch = format!("process orders, 0 events -> {}\n", requests.join(" -> "));
    assert!(printed.contains(&batch), "{printed}");
}
