//! What an operator should read once, through OpenTelemetry's internal logging.

use std::sync::atomic::{AtomicU8, Ordering};

use opentelemetry::otel_warn;

use crate::{client::NotInjected, options::environment::Variable};

/// Remembers which diagnostics were given. Each is given once per instrumentation, because what
/// causes one causes it for every message.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics(AtomicU8);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Diagnostic {
    /// A context could not be written into a message.
    NotInjected(NotInjected),
    /// The limit on distinct destination names was reached.
    TooManyDestinations,
    /// A filter or hook of the application panicked.
    HookPanicked,
    /// A propagator panicked.
    PropagatorPanicked,
    /// A sampler, a span processor, an exporter or a meter panicked.
    ProviderPanicked,
    /// An environment variable has a value that is not known.
    UnknownValue(Variable),
}

impl Diagnostics {
    pub(crate) fn report(&self, diagnostic: Diagnostic) {
        let bit = 1 << diagnostic.index();
        // The plain load keeps later cases from writing to a shared cache line.
        let is_given = |given: u8| given & bit != 0;
        if is_given(self.0.load(Ordering::Relaxed))
            || is_given(self.0.fetch_or(bit, Ordering::Relaxed))
        {
            return;
        }
        diagnostic.log();
    }
}

impl Diagnostic {
    const fn index(self) -> u8 {
        match self {
            Self::NotInjected(_) => 0,
            Self::TooManyDestinations => 1,
            Self::HookPanicked => 2,
            Self::PropagatorPanicked => 3,
            Self::ProviderPanicked => 4,
            Self::UnknownValue(variable) => 5 + variable as u8,
        }
    }

    fn log(self) {
        match self {
            Self::NotInjected(error) => {
                otel_warn!(
                    name: "Messaging.ContextNotInjected",
                    message = "A message is sent without trace context. \
                        Further cases are not reported.",
                    reason = error.to_string()
                );
            }
            Self::TooManyDestinations => {
                otel_warn!(
                    name: "Messaging.TooManyDestinations",
                    message = "Further destination names are left out of span names and metrics. \
                        Give them a template or raise the limit."
                );
            }
            Self::HookPanicked => {
                otel_warn!(
                    name: "Messaging.HookPanicked",
                    message = "A filter or hook of the instrumentation panicked and is ignored. \
                        Further cases are not reported."
                );
            }
            Self::PropagatorPanicked => {
                otel_warn!(
                    name: "Messaging.PropagatorPanicked",
                    message = "The propagator panicked: a message is sent or received without \
                        trace context. Further cases are not reported."
                );
            }
            Self::ProviderPanicked => {
                otel_warn!(
                    name: "Messaging.ProviderPanicked",
                    message = "A sampler, span processor, exporter or meter panicked: a span or a \
                        measurement is lost. Further cases are not reported."
                );
            }
            Self::UnknownValue(variable) => {
                otel_warn!(
                    name: "Messaging.UnknownValue",
                    message = "An environment variable has an unknown value and is ignored.",
                    variable = variable.name(),
                    known = variable.known()
                );
            }
        }
    }
}
