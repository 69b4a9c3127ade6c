//! An exporter that counts what its inner exporter got across: the SDK itself does not tell.

use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    metrics::{Temporality, data::ResourceMetrics, exporter::PushMetricExporter},
    trace::{SpanData, SpanExporter},
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What was exported so far, by all exporters that share it.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    spans: u64,
    failure: Option<String>,
}

impl Tally {
    /// How many spans got across.
    pub fn spans(&self) -> u64 {
        self.counts().spans
    }

    /// The first failure: later ones tend to follow from it.
    pub fn failure(&self) -> Option<String> {
        self.counts().failure.clone()
    }

    /// Remembers a failure that no export has seen.
    pub fn fail(&self, error: &OTelSdkError) {
        self.counts().failure.get_or_insert_with(|| error.to_string());
    }

    fn add(&self, spans: usize, result: &OTelSdkResult) {
        match result {
            Ok(()) => self.counts().spans += spans as u64,
            Err(error) => self.fail(error),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An exporter with its tally.
#[derive(Debug)]
pub struct Tallied<E> {
    exporter: E,
    tally: Tally,
}

impl<E> Tallied<E> {
    /// Counts what `exporter` exports.
    pub fn new(exporter: E, tally: &Tally) -> Self {
        Self { exporter, tally: tally.clone() }
    }
}

impl<E: SpanExporter> SpanExporter for Tallied<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        self.tally.add(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Tallied<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.exporter.export(metrics).await;
        self.tally.add(0, &result);
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
