//! Spans that tests write by hand.

use std::collections::HashMap;

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span, Status, span::Link, span::SpanKind, status::StatusCode},
};

use super::Exported;

/// Reads a span from each line: `ID[<PARENT] SERVICE KIND NAME.. [-> LINK..] [! ERROR]`. A parent
/// stands above its children, and a target above what links to it. The last word of the name is the
/// system. Each span takes 1.5 ms, and starts when the one above it does, or later.
pub(crate) fn spans(lines: &str) -> Vec<Exported> {
    let mut traces = HashMap::new();
    lines.lines().zip(0..).map(|(line, time)| span(line, time, &mut traces)).collect()
}

fn span(line: &str, time: u64, traces: &mut HashMap<Vec<u8>, Vec<u8>>) -> Exported {
    let (line, error) = line.split_once(" ! ").map_or((line, None), |(l, e)| (l, Some(e)));
    let (line, targets) = line.split_once(" -> ").unwrap_or((line, ""));
    let [ids, service, kind, name] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else {
        panic!("this is no span: {line}");
    };
    let (span_id, parent_span_id) = match ids.split_once('<') {
        Some((own, parent)) => (id(own), id(parent)),
        None => (id(ids), Vec::new()),
    };
    let trace_id = traces.get(&parent_span_id).cloned().unwrap_or_else(|| span_id.clone());
    traces.insert(span_id.clone(), trace_id.clone());
    let links = targets.split_whitespace().map(|target| {
        let trace_id = traces.get(&id(target)).cloned().unwrap_or_default();
        Link { span_id: id(target), trace_id, ..Default::default() }
    });
    let kind = SpanKind::from_str_name(&format!("SPAN_KIND_{kind}")).unwrap();
    let operation = match kind {
        SpanKind::Producer => "send",
        SpanKind::Consumer => "process",
        SpanKind::Client => "receive",
        _ => "",
    };
    let system = name.rsplit(' ').next().unwrap();
    let span = Span {
        trace_id,
        span_id,
        parent_span_id,
        name: name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: time,
        end_time_unix_nano: time + 1_500_000,
        attributes: vec![
            text("messaging.operation.type", operation),
            text("messaging.system", system),
        ],
        links: links.collect(),
        status: error
            .map(|error| Status { message: error.to_owned(), code: StatusCode::Error.into() }),
        ..Default::default()
    };
    Exported { service: service.to_owned(), span }
}

fn text(key: &str, text: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..Default::default() }
}

fn id(text: &str) -> Vec<u8> {
    text.parse::<u32>().unwrap().to_be_bytes().to_vec()
}
