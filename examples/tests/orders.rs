//! The demo as a person runs it: the program itself, what it prints, and its exit status.

#![allow(clippy::unwrap_used, reason = "clippy spares test functions only, not what they call")]

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output},
    sync::mpsc,
    thread,
};

struct Run {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the demo in an environment that says nothing about telemetry but what is given here.
fn orders(args: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    let Output { status, stdout, stderr } =
        command.args(args).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { status: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

impl Run {
    #[track_caller]
    fn ends_with(&self, status: i32, closing: &str) -> &Self {
        let last = self.stdout.lines().last().unwrap_or_default();
        let Self { stdout, stderr, .. } = self;
        assert_eq!((self.status, last), (Some(status), closing), "\n{stdout}\n{stderr}");
        self
    }

    #[track_caller]
    fn shows(&self, expected: &str) -> &Self {
        assert!(self.stdout.contains(expected), "no {expected:?} in\n{}", self.stdout);
        self
    }

    #[track_caller]
    fn reports(&self, expected: &str) -> &Self {
        assert!(self.stderr.contains(expected), "no {expected:?} in\n{}", self.stderr);
        self
    }
}

/// A file that is deleted when the test is over, however it ends.
struct TempFile(std::path::PathBuf);

impl TempFile {
    fn new(name: &str, content: &[u8]) -> Self {
        let path = env::temp_dir().join(format!("orders-{}-{name}", std::process::id()));
        fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn three_hundred_orders_become_one_batch() {
    orders(&[], &[])
        .ends_with(0, "600 messages sent, 600 processed, 1800 links found, 0 missing")
        .shows("POST /orders      SERVER    shop ")
        .shows("└─ send orders    PRODUCER  shop ")
        .shows("process orders    CONSUMER  billing ")
        .shows("├─ send invoices  PRODUCER  billing ")
        .shows("... and 297 more like it (")
        .shows("process invoices  CONSUMER  ledger ")
        .shows("│  300 links (128 on the span, 172 on its children) → send invoices (billing) ")
        .shows("messaging.client.operation.duration  shop     send       orders         300 ")
        .shows("messaging.client.sent.messages       billing  send       invoices       300")
        .shows("messaging.client.consumed.messages   ledger   poll       invoices       300")
        .shows("messaging.process.duration           ledger   process    invoices         1 ");
}

#[test]
fn a_span_holds_as_many_links_as_it_is_told() {
    orders(&[], &[("OTEL_SPAN_LINK_COUNT_LIMIT", "300")])
        .ends_with(0, "600 messages sent, 600 processed, 1800 links found, 0 missing")
        .shows("\n   300 links → send invoices (billing) ");
}

#[test]
fn lines_that_are_no_orders_are_reported_and_counted() {
    let large = [vec![b'x'; 1_000_000], b",1\n".to_vec()].concat();
    let file = [b"Ada,1\n\n\nBob\n\xff,1\n".as_slice(), &large, b"Grace,2.50\r\n"].concat();
    let file = TempFile::new("mixed", &file);
    orders(&["--orders", file.path()], &[])
        .ends_with(0, "4 messages sent, 4 processed, 12 links found, 0 missing")
        .shows("lines that were orders: 2; lines that were not orders: 5 (2 blank; 1 not UTF-8; ")
        .reports("lines 2 to 3 are not orders: blank")
        .reports("line 4 is not an order: no comma")
        .reports("line 5 is not an order: not UTF-8")
        .reports("line 6 is not an order: larger than a Kafka message may be");
}

#[test]
fn large_orders_come_through() {
    let line = |nth: u32| format!("{},{nth}\n", "x".repeat(998_000));
    let file = TempFile::new("large", (1..=8).map(line).collect::<String>().as_bytes());
    orders(&["--orders", file.path()], &[])
        .ends_with(0, "16 messages sent, 16 processed, 48 links found, 0 missing");
}

#[test]
fn what_cannot_work_ends_with_advice() {
    let none = TempFile::new("none", b"\nnobody\n");
    let no_orders = orders(&["--orders", none.path()], &[]);
    no_orders.ends_with(3, no_orders.stdout.trim_end()).reports("no valid order");
    orders(&["--orders", "/no/such/file"], &[]).ends_with(2, "").reports("cannot read");
    orders(&["--mesages", "3"], &[]).ends_with(2, "").reports("--messages N");
    orders(&["--brokers", "localhost:1"], &[]).ends_with(1, "").reports("is Kafka there");
}

#[test]
fn telemetry_goes_to_a_collector_that_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let sender = sender.clone();
            thread::spawn(move || serve(connection.unwrap(), &sender));
        }
    });
    orders(&["--messages", "300"], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)])
        .ends_with(0, "600 messages sent, 600 processed, 1800 links found, 0 missing")
        .shows(&format!("spans, and metrics, exported to {endpoint}\n"));
    let requests: Vec<String> = requests.try_iter().collect();
    assert!(requests.iter().filter(|it| *it == "POST /v1/traces HTTP/1.1").count() >= 3);
    assert!(requests.iter().filter(|it| *it == "POST /v1/metrics HTTP/1.1").count() >= 3);
}

#[test]
fn a_collector_that_is_not_there_is_reported() {
    orders(&["--messages", "300"], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")])
        .ends_with(1, "600 messages sent, 600 processed, 1800 links found, 0 missing")
        .reports("the export to http://127.0.0.1:1 failed (0 of ");
}

/// Answers every request on this connection, and passes on their first lines.
fn serve(connection: TcpStream, requests: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(connection);
    loop {
        let head = reader.by_ref().lines().map_while(Result::ok).take_while(|it| !it.is_empty());
        let head: Vec<String> = head.collect();
        let Some(request) = head.first() else { return };
        let length = head.iter().find_map(|it| it.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let _ = requests.send(request.clone());
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    }
}
