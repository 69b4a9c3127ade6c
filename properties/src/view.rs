//! The viewer: any bytes can be read as a file of spans, joined to traces, and shown.

use arbitrary::Result;
use otel_messaging_view::{Spans, Traces};

/// Checks that a page is made of the spans there are, and that every problem has a text.
///
/// # Errors
/// Never: any bytes are an input.
pub fn check(bytes: &[u8]) -> Result<()> {
    let mut spans = Spans::new();
    spans.read("file", bytes);
    let traces = Traces::new(spans);
    assert!(traces.problems.iter().all(|problem| !problem.text.is_empty()));
    // The page's own script takes much longer than a few problems.
    assert!(traces.spans.is_empty() || traces.html("file").trim_end().ends_with("</html>"));
    Ok(())
}
