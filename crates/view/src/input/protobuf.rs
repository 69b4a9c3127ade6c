//! OTLP protobuf: `TracesData` or export requests, one after the other, or each after its length.

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, decode_key, skip_field},
};

use crate::spans::Spans;

/// The field `resource_spans` of `TracesData` and of `ExportTraceServiceRequest`.
const RESOURCE_SPANS: u32 = 1;

/// Reads protobuf. Returns false if the bytes are not OTLP protobuf from the start.
pub(super) fn read(spans: &mut Spans, name: &str, bytes: &[u8]) -> bool {
    // The collector's file exporter writes the length of each message, as four bytes.
    let is_framed = bytes.first() == Some(&0) && bytes.len() > 4;
    let mut found = Vec::new();
    let outcome =
        if is_framed { read_frames(bytes, &mut found) } else { read_message(bytes, &mut found) };
    let is_protobuf = !found.is_empty();
    for it in found {
        spans.add(it);
    }
    if let (true, Err(error)) = (is_protobuf, outcome) {
        spans.problem(name, &format!("is cut off or broken after these spans: {error}"));
    }
    is_protobuf
}

fn read_frames(mut bytes: &[u8], found: &mut Vec<ResourceSpans>) -> Result<(), DecodeError> {
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let end = length.min(rest.len());
        read_message(&rest[..end], found)?;
        bytes = &rest[end..];
    }
    Ok(())
}

/// Decodes one `ResourceSpans` after the other, so that those before an error are kept.
fn read_message(mut bytes: &[u8], found: &mut Vec<ResourceSpans>) -> Result<(), DecodeError> {
    while !bytes.is_empty() {
        let (field, wire_type) = decode_key(&mut bytes)?;
        if field == RESOURCE_SPANS && wire_type == WireType::LengthDelimited {
            found.push(ResourceSpans::decode_length_delimited(&mut bytes)?);
        } else {
            skip_field(wire_type, field, &mut bytes, DecodeContext::default())?;
        }
    }
    Ok(())
}
