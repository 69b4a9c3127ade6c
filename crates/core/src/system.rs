//! Which messaging system an endpoint speaks to, and the scope its telemetry comes from.

use opentelemetry::InstrumentationScope;

use crate::semconv;

/// A messaging system as a client crate introduces it: one constant per crate.
///
/// ```
/// use otel_messaging_core::System;
///
/// const OUTBOX: System = System::new("outbox", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
/// assert_eq!(OUTBOX.name(), "outbox");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct System {
    name: &'static str,
    scope: &'static str,
    version: &'static str,
    key_attribute: Option<&'static str>,
}

impl System {
    /// The system called `name` (the value of `messaging.system`), instrumented by the crate
    /// `scope` of the given version: these name the instrumentation scope (rule R23).
    pub const fn new(name: &'static str, scope: &'static str, version: &'static str) -> Self {
        Self { name, scope, version, key_attribute: None }
    }

    /// Names the attribute that carries a message's key, for systems whose messages have one.
    #[must_use = "a `System` is a value: this returns the changed one"]
    pub const fn with_key_attribute(mut self, attribute: &'static str) -> Self {
        self.key_attribute = Some(attribute);
        self
    }

    /// The value of `messaging.system`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) const fn key_attribute(&self) -> Option<&'static str> {
        self.key_attribute
    }

    pub(crate) fn scope(&self) -> InstrumentationScope {
        InstrumentationScope::builder(self.scope)
            .with_version(self.version)
            .with_schema_url(semconv::SCHEMA_URL)
            .build()
    }
}
