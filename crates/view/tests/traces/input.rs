//! Each format is read, and so is what is wrong with it.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use otel_messaging_view::{
    Spans, Traces,
    opentelemetry_proto::tonic::trace::v1::{
        Span, TracesData,
        span::{Link, SpanKind},
    },
};
use prost::Message;

use super::by_hand::{exported, text};

/// Two documents of the collector's file exporter.
const LINES: &str = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeSpans":[{"scope":{"name":"demo"},"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","parentSpanId":"","flags":256,"name":"send orders","kind":4,"startTimeUnixNano":"1000","endTimeUnixNano":"4000","attributes":[{"key":"messaging.kafka.offset","value":{"intValue":"7"}}],"status":{}}]}]}]}
{"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{},"spans":[{"traceId":"1102030405060708090a0b0c0d0e0f10","spanId":"1102030405060708","name":"process orders","kind":5,"startTimeUnixNano":"5000","endTimeUnixNano":"6000","links":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708"}],"status":{"code":2,"message":"declined"}}]}]}]}
"#;

fn read(bytes: &[u8]) -> Traces {
    let mut spans = Spans::new();
    spans.read("input", bytes);
    Traces::new(spans)
}

/// Reads bytes and asserts the names of the spans and the problems.
#[track_caller]
fn assert_read(bytes: &[u8], names: &[&str], problems: &[&str]) {
    let traces = read(bytes);
    let found: Vec<&str> = traces.spans.iter().map(|it| it.otlp.name.as_str()).collect();
    assert_eq!(found, names);
    let found: Vec<&str> = traces.problems.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(found, problems);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Two messages of protobuf, of one span each.
fn messages() -> [Vec<u8>; 2] {
    ["first", "second"].map(|name| {
        let span = Span {
            name: name.into(),
            trace_id: vec![1; 16],
            span_id: vec![name.len().to_le_bytes()[0]; 8],
            start_time_unix_nano: 5,
            end_time_unix_nano: 5,
            ..Default::default()
        };
        TracesData { resource_spans: vec![exported("shop", vec![span])] }.encode_to_vec()
    })
}

#[test]
fn lines_of_the_collector_are_read() {
    assert_read(LINES.as_bytes(), &["send orders", "process orders"], &[]);
    let traces = read(LINES.as_bytes());
    let [send, process] = [&traces.spans[0], &traces.spans[1]];
    assert_eq!((send.service(), process.service()), ("shop", ""));
    assert_eq!(send.otlp.kind(), SpanKind::Producer);
    assert_eq!(process.failure(), Some("declined"));
    assert_eq!(traces.target(&process.otlp.links[0]), Some(0));
    assert_eq!(traces.count_links(), (1, 0));
    let with_mark = ["\u{feff}", LINES].concat().replace('\n', "\r\n\r\n");
    assert_read(with_mark.as_bytes(), &["send orders", "process orders"], &[]);
}

#[test]
fn a_line_that_is_no_otlp_is_counted_and_named() {
    let (first, second) = LINES.split_once('\n').unwrap();
    let lines = [first, "{]", "{\"spans\": 7}", "\u{0}", second].join("\n");
    assert_read(
        lines.as_bytes(),
        &["send orders", "process orders"],
        &["input has 3 lines that are no OTLP: 2, 3, 4 (key must be a string at column 2)"],
    );
    let lines = format!("not at all\n{LINES}").into_bytes();
    let problem = "input has 1 line that is no OTLP: 1 (expected ident at column 2)";
    assert_read(&lines, &["send orders", "process orders"], &[problem]);
    let many = "?\n".repeat(30) + LINES;
    let problem = "input has 30 lines that are no OTLP: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, .. \
                   (expected value at column 1)";
    assert_read(many.as_bytes(), &["send orders", "process orders"], &[problem]);
    let others = format!("{{\"resourceMetrics\":[]}}\n{LINES}{{\"resourceLogs\":[]}}");
    let problem = "input has 2 lines with metrics or logs, which are not shown";
    assert_read(others.as_bytes(), &["send orders", "process orders"], &[problem]);
}

#[test]
fn a_file_that_is_cut_off_is_read_up_to_there() {
    let cut = &LINES.as_bytes()[..LINES.len() - 60];
    assert_read(cut, &["send orders"], &["input is cut off in its last line, number 2"]);
    assert_read(b"", &[], &["input has no spans"]);
    let zipped = gzip(LINES.as_bytes());
    assert_read(&zipped, &["send orders", "process orders"], &[]);
    let twice = [zipped.clone(), gzip(b"?")].concat();
    let problem = "input has 1 line that is no OTLP: 3 (expected value at column 1)";
    assert_read(&twice, &["send orders", "process orders"], &[problem]);
    let problem = "input is cut off: the gzip data has no end";
    assert_read(&zipped[..zipped.len() - 6], &["send orders", "process orders"], &[problem]);
    let problems = [problem, "input has no spans"];
    assert_read(&zipped[..12], &[], &problems);
    assert_read(
        &[0x28, 0xb5, 0x2f, 0xfd, 0],
        &[],
        &["input is compressed with zstd; unpack it first: zstd -d", "input has no spans"],
    );
}

#[test]
fn protobuf_is_read_with_lengths_and_without() {
    let [first, second] = messages();
    let both = [&*first, &second].concat();
    assert_read(&both, &["first", "second"], &[]);
    assert_read(&gzip(&both), &["first", "second"], &[]);
    let with_length = |message: &[u8]| {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&length[..], message].concat()
    };
    let frames = [with_length(&first), with_length(&second)].concat();
    assert_read(&frames, &["first", "second"], &[]);
    for cut in [&both[..both.len() - 3], &frames[..frames.len() - 3]] {
        let traces = read(cut);
        assert_eq!(traces.spans.len(), 1);
        let problem = &traces.problems[0].text;
        assert!(problem.starts_with("input is cut off or broken after these spans: "), "{problem}");
    }
    let traces = read(&[0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(traces.problems.len(), 2, "{:?}", traces.problems);
}

#[test]
fn what_other_exporters_write_is_read() {
    let (first, _) = LINES.split_once('\n').unwrap();
    // One document of several lines, and a list of documents.
    let document: serde_json::Value = serde_json::from_str(first).unwrap();
    let pretty = serde_json::to_string_pretty(&document).unwrap();
    assert_read(pretty.as_bytes(), &["send orders"], &[]);
    assert_read(format!("[{first}]").as_bytes(), &["send orders"], &[]);
    // Java's logging exporter.
    let java = document["resourceSpans"][0].to_string();
    assert_read(format!("{java}\n").as_bytes(), &["send orders"], &[]);
    // Protobuf's own JSON, as a Python program writes it.
    let python = first
        .replace("resourceSpans", "resource_spans")
        .replace("scopeSpans", "scope_spans")
        .replace("traceId", "trace_id")
        .replace("spanId", "span_id")
        .replace("startTimeUnixNano", "start_time_unix_nano")
        .replace("endTimeUnixNano", "end_time_unix_nano")
        .replace("stringValue", "string_value")
        .replace("intValue", "int_value")
        .replace("0102030405060708090a0b0c0d0e0f10", "AQIDBAUGBwgJCgsMDQ4PEA==")
        .replace("0102030405060708", "AQIDBAUGBwg=")
        .replace("\"kind\":4", "\"kind\":\"SPAN_KIND_PRODUCER\"");
    let traces = read(python.as_bytes());
    let expected = read(first.as_bytes());
    assert_eq!(traces.problems, []);
    assert_eq!(traces.spans[0].otlp, expected.spans[0].otlp);
    assert_eq!(traces.spans[0].service(), "shop");
}

#[test]
fn values_of_every_type_are_read() {
    let values = r#"[{"key":"a","value":{}},{"key":"b","value":{"doubleValue":"NaN"}},
        {"key":"c","value":{"doubleValue":2}},{"key":"d","value":{"boolValue":true}},
        {"key":"e","value":{"bytesValue":"AQL/"}},{"key":"f","value":{"intValue":-3}},
        {"key":"g","value":{"arrayValue":{"values":[{"stringValue":"x"},{"intValue":"4"},{}]}}},
        {"key":"h","value":{"kvlistValue":{"values":[{"key":"k","value":{"doubleValue":0.5}}]}}}]"#;
    let line = LINES.lines().next().unwrap();
    let own = r#"[{"key":"messaging.kafka.offset","value":{"intValue":"7"}}]"#;
    let line = line.replace(own, &values.replace('\n', ""));
    assert_read(line.as_bytes(), &["send orders"], &[]);
    let page = read(line.as_bytes()).html("values");
    for shown in ["NaN", "\"2\"", "true", "0102ff", "-3", "[\\\"x\\\", 4, null]", "{k: 0.5}"] {
        assert!(page.contains(shown), "no {shown}");
    }
    // A line with as little as there can be.
    let bare = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"bare"}]}]},{}]}"#;
    assert_read(bare.as_bytes(), &["bare"], &["1 span without valid ids"]);
}

#[test]
fn duplicates_are_counted_and_shown_once() {
    let changed = LINES.replace("send orders", "send invoices");
    let thrice = [LINES, LINES, &changed].concat();
    assert_read(
        thrice.as_bytes(),
        &["send orders", "process orders"],
        &[
            "3 spans came more than once and are shown once",
            "1 span has the ids of another span that differs from it; only the first one is shown",
        ],
    );
}

#[test]
fn spans_that_cannot_be_are_shown_and_said() {
    let span = |ids: [u8; 3], [start, end]: [u64; 2]| Span {
        name: format!("span {}", ids[1]),
        trace_id: vec![ids[0]; 16],
        span_id: vec![ids[1]; 8],
        parent_span_id: if ids[2] > 0 { vec![ids[2]; 8] } else { Vec::new() },
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        kind: SpanKind::Consumer.into(),
        attributes: vec![text("k", "v")],
        ..Default::default()
    };
    let cause = span([1, 1, 0], [5_000_000, 6_000_000]);
    let child = span([1, 2, 1], [1_000_000, 5_500_000]);
    let orphan = span([2, 3, 9], [5, 5]);
    let ended = span([3, 4, 0], [5, 1]);
    let invalid = Span { span_id: vec![1], ..span([4, 5, 0], [5, 5]) };
    let mut dropped = span([5, 6, 0], [5, 5]);
    dropped.dropped_links_count = 3;
    let mut circle = [span([6, 7, 8], [5, 5]), span([6, 8, 7], [5, 5])];
    circle[1].links.push(link(7, 7));
    let mut spans = Spans::new();
    spans.add(exported("shop", vec![cause]));
    spans.add(exported("billing", vec![child, orphan, ended, invalid.clone(), invalid, dropped]));
    spans.add(exported("loops", circle.to_vec()));
    let traces = Traces::new(spans);
    let problems: Vec<&str> = traces.problems.iter().map(|it| it.text.as_str()).collect();
    let expected = [
        "2 spans without valid ids",
        "1 span ended before its start, or never",
        "1 span with a parent that is not in the input",
        "1 span below itself: parents in a circle, shown without a parent",
        "1 link to spans that are not in the input, on 1 span",
        "3 links dropped by the SDK because of its limit, on 1 span",
        "1 span of billing before its cause in shop, by up to 4.0 ms: the clocks of the two differ",
    ];
    assert_eq!(problems, expected);
    assert_eq!(traces.roots.len(), 7);
    assert_eq!(traces.children(0), [1]);
    // All of them are drawn.
    let drawn = traces.text();
    let all = (1..=8).all(|it| drawn.contains(&format!("span {it} ")));
    assert!(all, "{drawn}");
}

fn link(trace: u8, span: u8) -> Link {
    Link { trace_id: vec![trace; 16], span_id: vec![span; 8], ..Default::default() }
}

#[test]
fn a_deep_tree_and_a_long_chain_of_links_are_no_trouble() {
    let id = |it: u32| [0, it + 1].map(u32::to_be_bytes).concat();
    let depth = 50_000;
    let spans = (0..depth).map(|it| Span {
        name: "deep".into(),
        trace_id: vec![1; 16],
        span_id: id(it),
        parent_span_id: if it > 0 { id(it - 1) } else { Vec::new() },
        links: (it > 0)
            .then(|| Link { trace_id: vec![1; 16], span_id: id(it - 1), ..Default::default() })
            .into_iter()
            .collect(),
        ..Default::default()
    });
    let mut all = Spans::new();
    all.add(exported("shop", spans.collect()));
    let traces = Traces::new(all);
    assert_eq!(traces.problems, []);
    assert!(traces.html("deep").contains("deep"));
    let drawn = traces.text();
    assert!(drawn.contains("and 49900 more spans below"), "{}", &drawn[drawn.len() - 300..]);
}
