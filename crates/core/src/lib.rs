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
//! | send | PRODUCER | at the first poll, or with the call | with the broker's answer | ambient | a context the message carried |
//! | send (batch, or a context that is kept) | CLIENT | at the call | with the broker's answer | ambient | every message's context |
//! | receive | CLIENT | at the call, back-dated | at the hand-over | ambient | every message's context |
//! | process | CONSUMER | at the first poll | with the handler's result | ambient, see [`ProcessParent`] | every message's context |
//! | settle | CLIENT | at the call | with its result; at the hand-over, where none is waited for | ambient, else the process span | the message's context |
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
//! - `otel` (default): everything but what [`pass_through`] has. Without it the crate depends on
//!   nothing; client crates turn it on with their own feature of that name.
//! - `internal-logs` (default): diagnostics through OpenTelemetry's internal logging.
//! - `bound-instruments`: record through the API's experimental bound instruments; the same
//!   values, faster. Enable `experimental_metrics_bound_instruments` of `opentelemetry_sdk` with
//!   it: an SDK that does not know bound instruments records nothing through them.
//! - `serde`: [`CreationContext`] can be serialized.

#![cfg_attr(docsrs, feature(doc_cfg))]
// These docs are about the telemetry.
#![cfg_attr(not(feature = "otel"), allow(rustdoc::broken_intra_doc_links))]

#[cfg(feature = "otel")]
mod active;
#[cfg(feature = "otel")]
mod batch;
#[cfg(feature = "otel")]
mod creation;
#[cfg(feature = "otel")]
mod destination;
#[cfg(feature = "otel")]
mod diagnostics;
#[cfg(feature = "otel")]
mod endpoint;
mod gather;
#[cfg(feature = "otel")]
mod instrumentation;
#[cfg(feature = "otel")]
mod interned;
#[cfg(feature = "otel")]
mod links;
#[cfg(feature = "otel")]
mod message;
#[cfg(feature = "otel")]
mod metrics;
#[cfg(feature = "otel")]
mod operation;
mod outcome;
pub mod pass_through;
#[cfg(feature = "otel")]
mod process_methods;
#[cfg(feature = "otel")]
mod propagation;
#[cfg(feature = "otel")]
mod receive;
#[cfg(feature = "otel")]
mod received;
#[cfg(feature = "otel")]
mod running;
#[cfg(feature = "otel")]
pub mod semconv;
#[cfg(feature = "otel")]
mod send;
#[cfg(feature = "otel")]
mod settings;
#[cfg(feature = "otel")]
mod stored;
#[cfg(feature = "otel")]
mod system;
#[cfg(feature = "otel")]
mod target;
#[cfg(feature = "otel")]
mod w3c;

/// Builders, which are made by the type they build.
#[cfg(feature = "otel")]
pub mod builder {
    pub use crate::{
        endpoint::Builder as EndpointBuilder, instrumentation::Builder as InstrumentationBuilder,
    };
}

#[cfg(feature = "otel")]
pub use crate::{
    active::ActiveOperation,
    batch::Batch,
    creation::CreationContext,
    destination::Destination,
    endpoint::{Clock, Endpoint},
    instrumentation::{ExistingContext, Instrumentation, ProcessParent, ReceiveSpans},
    message::{AttributeValue, Field, Message, NotInjected, OutgoingMessage},
    operation::{Operation, OperationType},
    propagation::Propagation,
    received::{AsReceived, Received},
    stored::Stored,
    system::System,
};
pub use crate::{
    gather::Gather,
    outcome::{ErrorType, FailedMessages, Failure, Outcome},
};
