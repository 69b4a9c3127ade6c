//! Makes the span of a request, as the instrumentation of a web framework does.

use opentelemetry::{
    Context, InstrumentationScope, KeyValue, global,
    trace::{FutureExt, SpanKind, Status, TraceContextExt, Tracer},
};

use crate::Result;

/// Serves a request, `POST /orders`, in a SERVER span that is current in the handler. Returns the
/// handler's error.
///
/// Cancel safety: the span ends without a status.
pub async fn request(handler: impl Future<Output = Result>) -> Result {
    let scope = InstrumentationScope::builder("shop")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url("https://opentelemetry.io/schemas/1.44.0")
        .build();
    let tracer = global::tracer_with_scope(scope);
    let span = tracer.span_builder("POST /orders").with_kind(SpanKind::Server).with_attributes([
        KeyValue::new("http.request.method", "POST"),
        KeyValue::new("http.route", "/orders"),
        KeyValue::new("url.scheme", "http"),
        KeyValue::new("url.path", "/orders"),
        KeyValue::new("server.address", "localhost"),
        KeyValue::new("server.port", 8080),
        KeyValue::new("network.protocol.version", "1.1"),
    ]);
    let request = Context::new().with_span(span.start(&tracer));

    let response = handler.with_context(request.clone()).await;

    let status = if response.is_ok() { 202 } else { 503 };
    let span = request.span();
    span.set_attribute(KeyValue::new("http.response.status_code", status));
    if let Err(error) = &response {
        span.set_attribute(KeyValue::new("error.type", status.to_string()));
        span.set_status(Status::error(error.to_string()));
    }
    span.end();
    response
}
