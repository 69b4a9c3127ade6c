//! What an application chooses.

#[cfg(feature = "otel")]
pub(crate) mod baggage_keys;
pub(crate) mod choices;
#[cfg(feature = "otel")]
pub(crate) mod diagnostics;
#[cfg(feature = "otel")]
pub(crate) mod environment;
#[cfg(feature = "otel")]
pub(crate) mod instrumentation;
#[cfg(feature = "otel")]
pub(crate) mod propagation;
#[cfg(feature = "otel")]
pub(crate) mod settings;
#[cfg(feature = "otel")]
pub(crate) mod w3c;
