//! A stand-in for a collector: receives OTLP over HTTP, as protobuf, and keeps it.

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

/// An OTLP receiver that listens on its own port of the loopback interface until it is dropped.
pub struct Collector {
    server: Arc<Server>,
    collected: Arc<Mutex<Collected>>,
    thread: Option<JoinHandle<()>>,
}

/// The telemetry that was exported to a [`Collector`].
#[derive(Debug, Default)]
pub struct Collected {
    /// The spans, in the order of their arrival.
    pub spans: Vec<ResourceSpans>,
    /// The metrics, in the order of their arrival.
    pub metrics: Vec<ResourceMetrics>,
    /// One error for each request that was refused because it is not OTLP.
    pub refused: Vec<String>,
}

impl Collector {
    /// Starts to listen on a free port.
    ///
    /// # Errors
    ///
    /// If no port of the loopback interface can be opened.
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

    /// Returns the value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.server_addr())
    }

    /// Returns what has arrived. Exports wait while the guard is held.
    pub fn collected(&self) -> MutexGuard<'_, Collected> {
        lock(&self.collected)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.unblock();
        // The result is dropped: a second panic would abort a test that panics.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}

/// Returns the value of `service.name`, or an empty text if there is none.
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
    // The client may be gone, which is no error here. An empty body is an empty protobuf response.
    let _ = request.respond(Response::empty(status));
}

/// Locks what was collected. A panic in a test does not leave it in a bad state.
fn lock(collected: &Mutex<Collected>) -> MutexGuard<'_, Collected> {
    collected.lock().unwrap_or_else(PoisonError::into_inner)
}
