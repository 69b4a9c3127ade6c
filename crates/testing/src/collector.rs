//! A stand-in for a collector: takes OTLP over HTTP, as protobuf, and keeps it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    metrics::v1::ResourceMetrics,
    resource::v1::Resource,
    trace::v1::ResourceSpans,
};
use prost::Message;
use tiny_http::{Request, Response, Server};

/// Listens on a port of its own on loopback, until it is dropped.
pub struct Collector {
    server: Arc<Server>,
    collected: Arc<Mutex<Collected>>,
    thread: Option<JoinHandle<()>>,
}

/// What services have exported.
#[derive(Debug, Default)]
pub struct Collected {
    /// In the order in which they came.
    pub spans: Vec<ResourceSpans>,
    /// In the order in which they came.
    pub metrics: Vec<ResourceMetrics>,
    /// Requests that were no OTLP, and why.
    pub refused: Vec<String>,
}

impl Collector {
    /// Starts to listen.
    ///
    /// # Errors
    /// If it may not listen on loopback.
    pub fn start() -> io::Result<Self> {
        let server = Arc::new(Server::http("127.0.0.1:0").map_err(io::Error::other)?);
        let collected = Arc::new(Mutex::default());
        let (listening, keeping) = (Arc::clone(&server), Arc::clone(&collected));
        let thread = thread::spawn(move || {
            for request in listening.incoming_requests() {
                take(request, &mut lock(&keeping));
            }
        });
        Ok(Self { server, collected, thread: Some(thread) })
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` has to be.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.server_addr())
    }

    /// What came so far. Exports wait while it is looked at.
    pub fn collected(&self) -> MutexGuard<'_, Collected> {
        lock(&self.collected)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.unblock();
        // It has nothing to say, and a test that panics must not panic again.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}

/// The value of `service.name`.
pub fn service_of(resource: Option<&Resource>) -> &str {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;

    let attributes = resource.map(|resource| resource.attributes.as_slice()).unwrap_or_default();
    let name = attributes.iter().find(|attribute| attribute.key == "service.name");
    match name.and_then(|name| name.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(name)) => name,
        _ => "",
    }
}

fn take(mut request: Request, collected: &mut Collected) {
    let mut body = Vec::new();
    let outcome = request.as_reader().read_to_end(&mut body).map_err(|error| error.to_string());
    let outcome = outcome.and_then(|_| match request.url() {
        "/v1/traces" => ExportTraceServiceRequest::decode(&*body)
            .map(|export| collected.spans.extend(export.resource_spans))
            .map_err(|error| error.to_string()),
        "/v1/metrics" => ExportMetricsServiceRequest::decode(&*body)
            .map(|export| collected.metrics.extend(export.resource_metrics))
            .map_err(|error| error.to_string()),
        other => Err(format!("there is nothing at {other}")),
    });
    let status = if outcome.is_ok() { 200 } else { 400 };
    collected.refused.extend(outcome.err());
    // Who has gone away needs no answer. An empty body is the protobuf of an empty response.
    let _ = request.respond(Response::empty(status));
}

/// A test that panicked has not harmed it.
fn lock(collected: &Mutex<Collected>) -> MutexGuard<'_, Collected> {
    collected.lock().unwrap_or_else(PoisonError::into_inner)
}
