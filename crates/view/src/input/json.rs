//! OTLP JSON: one document a line, as the collector's file exporter writes it, or a single document.

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, TracesData};
use serde_json::{Error, Map, Value, error::Category};

use crate::{problem::count, spans::Spans};

/// How many numbers of bad lines are named.
const NAMED: usize = 10;

pub(super) fn read(spans: &mut Spans, name: &str, bytes: &[u8]) {
    let (mut bad, mut others) = (Vec::new(), 0);
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let last = lines.len();
    for (line, number) in lines.into_iter().zip(1..) {
        let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        if line.trim_ascii().is_empty() {
            continue;
        }
        match document(line) {
            Ok(Some(found)) => found.into_iter().for_each(|it| spans.add(it)),
            Ok(None) => others += 1,
            Err(_) if number == 1 && last > 1 => {
                // A single document may have several lines.
                if let Ok(Some(found)) = document(bytes) {
                    return found.into_iter().for_each(|it| spans.add(it));
                }
                bad.push((number, document(line).err()));
            }
            // The file was copied while it was written, or the disk was full.
            Err(error) if number == last && error.classify() == Category::Eof => {
                spans.problem(name, &format!("is cut off in its last line, number {number}"));
            }
            Err(error) => bad.push((number, Some(error))),
        }
    }
    if others > 0 {
        let lines = count(others, "line");
        spans.problem(name, &format!("has {lines} with metrics or logs, which are not shown"));
    }
    if let Some((_, Some(error))) = bad.first() {
        let numbers: Vec<String> = bad.iter().take(NAMED).map(|(it, _)| it.to_string()).collect();
        let more = if bad.len() > NAMED { ", .." } else { "" };
        let (lines, numbers) = (count(bad.len(), "line"), numbers.join(", "));
        let are = if bad.len() == 1 { "is" } else { "are" };
        spans.problem(
            name,
            &format!(
                "has {lines} that {are} no OTLP: {numbers}{more} ({})",
                error.to_string().replace("line 1 ", "")
            ),
        );
    }
}

/// Reads a document. Returns `None` for OTLP that is not about traces.
fn document(text: &[u8]) -> Result<Option<Vec<ResourceSpans>>, Error> {
    if let Ok(TracesData { resource_spans }) = serde_json::from_slice(text) {
        return Ok(Some(resource_spans));
    }
    let value = serde_json::from_slice::<Value>(text)?;
    let value = normalized(value, "");
    if value.get("resourceMetrics").or(value.get("resourceLogs")).is_some() {
        return Ok(None);
    }
    // Java's logging exporter writes what is below `resourceSpans`.
    if value.get("scopeSpans").is_some() {
        return serde_json::from_value(value).map(|spans| Some(vec![spans]));
    }
    if let Value::Array(documents) = value {
        let data = documents.into_iter().map(serde_json::from_value::<TracesData>);
        let data = data.collect::<Result<Vec<_>, _>>()?;
        return Ok(Some(data.into_iter().flat_map(|it| it.resource_spans).collect()));
    }
    serde_json::from_value(value).map(|TracesData { resource_spans }| Some(resource_spans))
}

/// Changes what protobuf's own JSON allows, and OTLP's does not, into OTLP's: keys in snake case,
/// names of enumerations, ids in base64, numbers as text, `NaN`.
fn normalized(value: Value, key: &str) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.into_iter().filter(|(_, value)| !value.is_null());
            let entries = entries.map(|(key, value)| {
                let key = camel_case(&key);
                let value = normalized(value, &key);
                // `NaN` and `Infinity`, which are no numbers of JSON.
                let is_text = key == "doubleValue" && value.is_string();
                (if is_text { "stringValue".to_owned() } else { key }, value)
            });
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Value::Array(values) => {
            Value::Array(values.into_iter().map(|it| normalized(it, key)).collect())
        }
        Value::String(text) => normalized_text(text, key),
        other => other,
    }
}

fn camel_case(key: &str) -> String {
    let mut words = key.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |key, word| {
        let (head, tail) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        key + &head.to_uppercase() + tail
    })
}

fn normalized_text(text: String, key: &str) -> Value {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use opentelemetry_proto::tonic::trace::v1::{span::SpanKind, status::StatusCode};

    let code = match key {
        "kind" => SpanKind::from_str_name(&text).map(i32::from),
        "code" => StatusCode::from_str_name(&text).map(i32::from),
        _ => None,
    };
    let is_number = key == "flags" || key.ends_with("Count");
    let number = is_number.then(|| text.parse::<u32>().ok()).flatten();
    let is_id = matches!(key, "traceId" | "spanId" | "parentSpanId");
    let is_hex = matches!(text.len(), 0 | 16 | 32);
    let id = (is_id && !is_hex).then(|| STANDARD.decode(&text).ok()).flatten();
    if let Some(code) = code {
        code.into()
    } else if let Some(number) = number {
        number.into()
    } else if let Some(id) = id {
        crate::value::hex(&id).into()
    } else {
        text.into()
    }
}
