//! What a web framework's instrumentation does around a handler.

use opentelemetry::{
    Context, KeyValue,
    trace::{FutureExt, Span, SpanKind, Status, TraceContextExt, Tracer},
};
use std::fmt::Display;

/// Serves one request, `POST /orders`, in a SERVER span, which is current in its handler.
///
/// # Errors
/// Those of the handler, as a response with status 503.
pub async fn request<T, E: Display>(
    tracer: &impl Tracer<Span: Span + Send + Sync + 'static>,
    handler: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let span = tracer
        .span_builder("POST /orders")
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("http.request.method", "POST"),
            KeyValue::new("http.route", "/orders"),
            KeyValue::new("url.scheme", "http"),
            KeyValue::new("url.path", "/orders"),
            KeyValue::new("server.address", "localhost"),
            KeyValue::new("server.port", 8080),
            KeyValue::new("network.protocol.version", "1.1"),
        ])
        .start(tracer);
    let request = Context::new().with_span(span);

    let response = handler.with_context(request.clone()).await;

    let status = if response.is_ok() { 202 } else { 503 };
    let span = request.span();
    span.set_attribute(KeyValue::new("http.response.status_code", status));
    if let Err(failure) = &response {
        span.set_attribute(KeyValue::new("error.type", status.to_string()));
        span.set_status(Status::error(failure.to_string()));
    }
    span.end();
    response
}
