//! Which messaging system a client crate speaks to.

/// Names a messaging system, and the scope its telemetry comes from: one constant per client crate.
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
    /// Makes the system called `name` (the value of `messaging.system`), instrumented by the crate
    /// `scope` of the given version: these name the instrumentation scope.
    pub const fn new(name: &'static str, scope: &'static str, version: &'static str) -> Self {
        Self { name, scope, version, key_attribute: None }
    }

    /// Names the attribute that carries a message's key, for systems whose messages have one.
    #[must_use = "a `System` is a value: this returns the changed one"]
    pub const fn with_key_attribute(mut self, attribute: &'static str) -> Self {
        self.key_attribute = Some(attribute);
        self
    }

    /// Returns the value of `messaging.system`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the attribute that carries a message's key, if messages have one.
    pub const fn key_attribute(&self) -> Option<&'static str> {
        self.key_attribute
    }

    /// Returns the name and the version of the instrumentation scope.
    pub const fn scope(&self) -> (&'static str, &'static str) {
        (self.scope, self.version)
    }
}
