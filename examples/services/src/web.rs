//! What a web framework's instrumentation does around a handler.

use crate::Result;
use opentelemetry::{
    Context, InstrumentationScope, KeyValue, global,
    trace::{FutureExt, SpanKind, Status, TraceContextExt, Tracer},
};

/// Serves one request: `POST /orders`.
pub(crate) async fn request(handler: impl Future<Output = Result>) -> Result {
    let scope = InstrumentationScope::builder("shop")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url("https://opentelemetry.io/schemas/1.44.0")
        .build();
    let tracer = global::tracer_with_scope(scope);
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
        .start(&tracer);
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
