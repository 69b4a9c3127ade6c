//! What an operator should hear about once, through OpenTelemetry's internal logging.

use std::sync::atomic::{AtomicBool, Ordering};

/// Which diagnostics were given already: each is given once per instrumentation, because what
/// causes one causes it for every message.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    not_injected: AtomicBool,
    too_many_destinations: AtomicBool,
    hook_panicked: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Diagnostic {
    /// A context could not be written into a message (R4).
    NotInjected(crate::NotInjected),
    /// The limit on distinct destination names was reached (R20).
    TooManyDestinations,
    /// A filter or hook of the application panicked (R4).
    HookPanicked,
}

impl Diagnostics {
    pub(crate) fn report(&self, diagnostic: Diagnostic) {
        let given = match diagnostic {
            Diagnostic::NotInjected(_) => &self.not_injected,
            Diagnostic::TooManyDestinations => &self.too_many_destinations,
            Diagnostic::HookPanicked => &self.hook_panicked,
        };
        if given.load(Ordering::Relaxed) || given.swap(true, Ordering::Relaxed) {
            return;
        }
        match diagnostic {
            Diagnostic::NotInjected(error) => {
                opentelemetry::otel_warn!(
                    name: "Messaging.ContextNotInjected",
                    message = "A message is sent without trace context. \
                        Further cases are not reported.",
                    reason = error.to_string()
                );
            }
            Diagnostic::TooManyDestinations => {
                opentelemetry::otel_warn!(
                    name: "Messaging.TooManyDestinations",
                    message = "Further destination names are left out of span names and metrics. \
                        Give them a template or raise the limit."
                );
            }
            Diagnostic::HookPanicked => {
                opentelemetry::otel_warn!(
                    name: "Messaging.HookPanicked",
                    message = "A filter or hook of the instrumentation panicked and is ignored. \
                        Further cases are not reported."
                );
            }
        }
    }
}
