//! Spans that tests write by hand. The demo's tests use this file, too.

#![allow(clippy::unwrap_used, reason = "clippy spares test functions only, not what they call")]

use std::collections::HashMap;

use otel_messaging_view::opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status,
        span::{Link, SpanKind},
        status::StatusCode,
    },
};

use otel_messaging_view::{Spans, Traces};

/// Reads a span from each line: `ID[<PARENT] SERVICE KIND NAME.. [-> LINK..] [! ERROR]`. A parent
/// stands above its children, and a target above what links to it. The last word of the name is the
/// system. Each span takes 1.5 ms, and starts when the one above it does, or later.
pub(crate) fn traces(lines: &str) -> Traces {
    let (mut traces, mut spans) = (HashMap::new(), Spans::new());
    for (line, time) in lines.lines().zip(0..) {
        spans.add(span(line, time, &mut traces));
    }
    Traces::new(spans)
}

fn span(line: &str, time: u64, traces: &mut HashMap<Vec<u8>, Vec<u8>>) -> ResourceSpans {
    let (line, error) = line.split_once(" ! ").map_or((line, None), |(l, e)| (l, Some(e)));
    let (line, targets) = line.split_once(" -> ").unwrap_or((line, ""));
    let [ids, service, kind, name] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else {
        panic!("this is no span: {line}");
    };
    let (span_id, parent_span_id) = match ids.split_once('<') {
        Some((own, parent)) => (id(own), id(parent)),
        None => (id(ids), Vec::new()),
    };
    let trace_id = traces.get(&parent_span_id).cloned().unwrap_or_else(|| span_id.repeat(2));
    traces.insert(span_id.clone(), trace_id.clone());
    let links = targets.split_whitespace().map(|target| {
        let trace_id = traces.get(&id(target)).cloned().unwrap_or(vec![9; 16]);
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
    exported(service, vec![span])
}

/// Wraps spans as a service exports them.
pub(crate) fn exported(service: &str, spans: Vec<Span>) -> ResourceSpans {
    let resource =
        Resource { attributes: vec![text("service.name", service)], ..Default::default() };
    let scope_spans = vec![ScopeSpans { spans, ..Default::default() }];
    ResourceSpans { resource: Some(resource), scope_spans, ..Default::default() }
}

pub(crate) fn text(key: &str, text: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..Default::default() }
}

fn id(text: &str) -> Vec<u8> {
    let id = text.parse::<u32>().unwrap().to_be_bytes();
    [id, id].concat()
}
