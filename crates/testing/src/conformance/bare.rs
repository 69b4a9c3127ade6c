//! Calls the core without a broker, for rules that no client can exercise.

use otel_messaging_core::{
    Destination, Instrumentation, Instrumenter, Operation, OperationType, System,
    client::{Field, Message, NotInjected, OutgoingMessage},
};

use crate::telemetry::Telemetry;

/// A message that has a destination only.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bare;

impl Message for Bare {
    fn destination(&self) -> Destination<'_> {
        Destination::new("orders")
    }

    fn header(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

impl OutgoingMessage for Bare {
    fn replace_headers(&mut self, _: &[Field<'_>]) -> Result<(), NotInjected> {
        Ok(())
    }
}

/// Makes an instrumenter that reports to `telemetry`.
pub(super) fn instrumenter(telemetry: &Telemetry) -> Instrumenter {
    let instrumentation = Instrumentation::builder()
        .with_tracer_provider(telemetry.tracer_provider())
        .with_meter_provider(telemetry.meter_provider())
        .build();
    Instrumenter::builder(System::new("bare", "bare", "1")).build(&instrumentation)
}

/// Returns an operation of type `kind` that has the name of its type.
pub(super) fn operation(kind: OperationType) -> Operation {
    Operation::new(kind, OperationType::as_str(kind))
}
