//! The OpenTelemetry messaging conventions for Rust: spans, links, propagation and metrics,
//! without a broker.
//!
//! This crate is what the client crates of otel-messaging stand on. A client crate says where a
//! fact lives (the topic, the header, the offset); this crate says what it means: which span there
//! is, what it is called, whom it links to, what is counted. It depends on the OpenTelemetry API
//! alone, and has no async runtime.
//!
//! Applications meet it as `otel` in the client crates: [`Instrumentation`] to choose what is
//! recorded, [`Batch`] and [`Outcome`] where they process messages, [`CreationContext`] and
//! [`Endpoint::restore`] for work that waits in a database.
//!
//! # The life of a message
//!
//! | operation | kind | starts | ends | parent | links |
//! |---|---|---|---|---|---|
//! | create (batch) | PRODUCER | in the batch send | at once | ambient | a context the message carried |
//! | send | PRODUCER | at the call | with the broker's answer | ambient | a context the message carried |
//! | send (batch, or a context that is kept) | CLIENT | at the call | with the broker's answer | ambient | every message's context |
//! | receive | CLIENT | at the call, back-dated | at the hand-over | ambient | every message's context |
//! | process | CONSUMER | at the first poll | with the handler's result | ambient, see [`ProcessParent`] | every message's context |
//! | settle | CLIENT | at the call | with its result | ambient, else the process span | the message's context |
//!
//! The rules named R1 to R25 in these docs are listed in the repository's `ARCHITECTURE.md`.
//!
//! # A client crate in short
//!
//! Implement [`Message`] for what the client delivers and [`OutgoingMessage`] for what it sends,
//! build an [`Endpoint`] where a client is made, and call [`Endpoint::send`],
//! [`Endpoint::receive`] and [`Received::settle`] around the client's own calls. The toy broker in
//! `otel-messaging-testing` does all of that in under 200 lines.
//!
//! # Features
//!
//! - `internal-logs` (default): diagnostics through OpenTelemetry's internal logging.
//! - `bound-instruments`: record through the API's experimental bound instruments; the same
//!   values, faster. Enable `experimental_metrics_bound_instruments` of `opentelemetry_sdk` with
//!   it: an SDK that does not know bound instruments records nothing through them.
//! - `serde`: [`CreationContext`] can be serialized.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod active;
mod batch;
mod creation;
mod destination;
mod diagnostics;
mod endpoint;
mod gather;
mod instrumentation;
mod interned;
mod message;
mod metrics;
mod operation;
mod outcome;
mod process_methods;
mod propagation;
mod receive;
mod received;
mod running;
pub mod semconv;
mod send;
mod settings;
mod stored;
mod system;
mod target;
mod w3c;

/// Builders, which are made by the type they build.
pub mod builder {
    pub use crate::{
        endpoint::Builder as EndpointBuilder, instrumentation::Builder as InstrumentationBuilder,
    };
}

pub use crate::{
    active::ActiveOperation,
    batch::Batch,
    creation::CreationContext,
    destination::Destination,
    endpoint::{Clock, Endpoint},
    gather::Gather,
    instrumentation::{ExistingContext, Instrumentation, ProcessParent, ReceiveSpans},
    message::{AttributeValue, Field, Message, NotInjected, OutgoingMessage},
    operation::{Operation, OperationType},
    outcome::{ErrorType, FailedMessages, Failure, Outcome},
    propagation::Propagation,
    received::{AsReceived, Received},
    stored::Stored,
    system::System,
};
