//! Spans in memory.

use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};
use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

/// Like the SDK's in-memory exporter, but spans can be taken out without a gap and without a copy.
#[derive(Clone, Debug, Default)]
pub(super) struct Collected(Arc<Mutex<Vec<SpanData>>>);

impl Collected {
    /// The spans since this was called last.
    pub(super) fn take(&self) -> Vec<SpanData> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SpanExporter for Collected {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(batch);
        Ok(())
    }
}
