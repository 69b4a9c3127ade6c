//! Takes the spans of all services out of what was collected.

#[cfg(test)]
#[path = "../../crates/view/tests/traces/by_hand.rs"]
pub(crate) mod by_hand;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use otel_messaging_testing::collector::{Collected, service_of};
use otel_messaging_view::{Span, Spans, Traces};

/// Joins the collected spans, in the order of `services`.
pub fn of(collected: &Collected, services: &[&str]) -> Traces {
    let mut resources: Vec<_> = collected.spans.iter().collect();
    resources.sort_by_key(|it| {
        let service = service_of(it.resource.as_ref());
        services.iter().position(|known| *known == service)
    });
    let mut spans = Spans::new();
    for it in resources {
        spans.add(it.clone());
    }
    Traces::new(spans)
}

/// Tells whether a span's context travels in a message that the broker took.
pub(crate) fn is_sent(span: &Span) -> bool {
    span.otlp.kind() == SpanKind::Producer
        && matches!(span.operation(), "send" | "create")
        && span.failure().is_none()
}
