//! A shop with a database file, and telemetry of its own.

use std::path::PathBuf;

use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    trace::{SpanKind, TraceContextExt as _, Tracer as _},
};
use otel_messaging::otel::Instrumentation;
use otel_messaging_outbox::{outbox, shop::place_order};
use otel_messaging_testing::{
    spans::{ExpectedSpan, span},
    telemetry::Telemetry,
};
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) struct Shop {
    pub(crate) telemetry: Telemetry,
    pub(crate) instrumentation: Instrumentation,
    directory: TempDir,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let telemetry = Telemetry::new();
        let instrumentation = Instrumentation::builder()
            .with_tracer_provider(telemetry.tracer_provider())
            .with_meter_provider(telemetry.meter_provider())
            .build();
        Self { telemetry, instrumentation, directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("shop.db")
    }

    /// The same file each time.
    pub(crate) fn database(&self) -> Connection {
        outbox::open(&self.path()).unwrap()
    }

    /// Handles a request: `POST pears` orders pears.
    pub(crate) fn request(&self, item: &str) -> otel_messaging_outbox::Result {
        let tracer = self.telemetry.tracer();
        let span = tracer.span_builder(format!("POST {item}")).with_kind(SpanKind::Server);
        let context = Context::current_with_span(span.start(&tracer));
        let context = context.with_baggage([KeyValue::new("tenant", "north")]);
        let _current = context.attach();
        place_order(&mut self.database(), item)
    }
}

/// The span of that request, by its name.
pub(crate) fn request(item: &str) -> ExpectedSpan {
    let name = format!("POST {item}");
    span(name.clone()).label(name).kind(SpanKind::Server)
}

/// How many rows a query counts.
pub(crate) fn count(database: &Connection, what: &str) -> i64 {
    let select = format!("SELECT count(*) FROM {what}");
    database.query_one(&select, [], |row| row.get(0)).unwrap()
}
