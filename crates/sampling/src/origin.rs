//! The origin of a chain of linked traces, which travels in the `tracestate`.

use opentelemetry::{TraceId, trace::TraceState};

/// The key of the entry.
const KEY: &str = "otelmsg";
const LENGTH: usize = 32;

/// Reads the origin. Returns `None` unless the entry is a valid trace id in lower case.
pub(crate) fn read(trace_state: &TraceState) -> Option<TraceId> {
    let text = trace_state.get(KEY)?;
    // `from_hex` alone would accept other lengths, upper case and signs.
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != LENGTH || !text.bytes().all(is_hex) {
        return None;
    }
    TraceId::from_hex(text).ok().filter(|&id| id != TraceId::INVALID)
}

/// Puts the origin in front of the other entries, as W3C Trace Context asks of a changed entry. The
/// other entries keep their order; the last of 32 gives way.
pub(crate) fn write(trace_state: &TraceState, origin: TraceId) -> TraceState {
    // Key and value are valid, so this does not fail.
    trace_state.insert(KEY, origin.to_string()).unwrap_or_else(|_| trace_state.clone())
}
