//! The OpenTelemetry messaging conventions for Rust: spans, links, propagation and metrics,
//! without a broker.
//!
//! This crate is the engine of the client crates of otel-messaging. A client crate says where a
//! fact lives (the topic, the header, the offset); this crate says what it means: which span
//! starts, what it is called, which spans it links to, what is counted. It depends on the
//! OpenTelemetry API alone and has no async runtime.
//!
//! Applications use it as `otel` in the client crates: [`Instrumentation`] configures what is
//! recorded, [`Batch`] and [`Outcome`] are used where messages are processed, [`CreationContext`]
//! and [`Instrumenter::restore`] serve work that waits in a database. What a client crate needs is
//! in [`client`].
//!
//! # The operations of a message
//!
//! | operation | kind | starts | ends | parent | links |
//! |---|---|---|---|---|---|
//! | create (batch) | PRODUCER | in the batch send | at once | ambient | a context that the message carried |
//! | send | PRODUCER | at the first poll, or with the call | with the broker's answer | ambient | a context that the message carried |
//! | send (batch, or a context that is kept) | CLIENT | at the call | with the broker's answer | ambient | every message's context |
//! | receive | CLIENT | at the call, back-dated | at the hand-over | ambient | every message's context |
//! | process | CONSUMER | at the first poll | with the handler's result | ambient, see [`ProcessParent`] | every message's context, and an ambient span that is not the parent |
//! | settle | CLIENT | at the call | with its result; at the hand-over, where no answer is awaited | ambient, else the process span | the message's context |
//!
//! *Ambient* is the context that is current where the call is made; with the feature `tracing`, the
//! innermost of that and the current span of `tracing`. The *creation context* is the
//! span context that travels in the message.
//!
//! # How an operation ends
//!
//! An operation ends once, with what happened. An operation that is dropped unfinished ends as
//! `cancelled` if the client had not taken the message, as a hand-over without an error if it had,
//! and as `panic` while its thread unwinds.
//!
//! # Faults of telemetry code
//!
//! A panic of a span processor, an exporter, a sampler, a propagator or a hook never reaches the
//! client: the span or the context is left out, and one diagnostic is logged.
//!
//! # When a provider is set late
//!
//! The global providers and the global propagator are looked up at the first operation. While
//! there is none, each of the first 16 operations of a producer or consumer looks again, and then
//! every 64th: the others skip that half as if it were switched off.
//!
//! # Features
//!
//! - `otel` (default): the telemetry. Without it the same types are empty, their methods do
//!   nothing, and the crate depends on nothing. Client crates turn it on with their own feature of
//!   that name.
//! - `internal-logs` (default): diagnostics through OpenTelemetry's internal logging.
//! - `bound-instruments`: records through the API's experimental bound instruments: the same
//!   values, faster. It switches on the part of `opentelemetry_sdk` too, and implies `otel`. A meter
//!   provider of your own must implement `SyncInstrument::bind`: the API's default drops what is
//!   recorded.
//! - `tracing`: process spans are spans of `tracing` where a layer of `tracing-opentelemetry`
//!   records them, and the current span of `tracing` is ambient. It implies `otel`. It is for
//!   applications to choose, as it changes where process spans come from; see
//!   [`InstrumentationBuilder::with_subscriber_spans`].
//! - `serde`: [`CreationContext`] implements `Serialize` and `Deserialize`.

#![cfg_attr(docsrs, feature(doc_cfg))]
// The docs describe the build with telemetry, and name types that only that one has.
#![cfg_attr(not(feature = "otel"), allow(rustdoc::broken_intra_doc_links))]

mod batch;
pub mod client;
#[cfg(feature = "otel")]
mod instrumenter;
mod message;
#[cfg(not(feature = "otel"))]
mod off;
mod operation;
mod options;
pub mod semconv;
#[cfg(feature = "otel")]
mod span;
mod wrap;

#[cfg(not(feature = "otel"))]
pub use crate::off::{
    ActiveOperation, CreationContext, Instrumentation, InstrumentationBuilder, Instrumenter,
};
pub use crate::{
    batch::{batch::Batch, batches::Batches, incoming::Incoming},
    message::{
        destination::Destination,
        error_type::{ErrorType, Failure},
        message_view::MessageView,
        outcome::{FailedMessages, Outcome},
        received::{AsReceived, Received},
        stored::Stored,
        system::System,
    },
    operation::kind::{Operation, OperationType},
    options::choices::{ExistingContext, ProcessParent, ReceiveSpans, SendSpanEnd, Trust},
};
#[cfg(feature = "otel")]
pub use crate::{
    instrumenter::Instrumenter,
    message::creation_context::CreationContext,
    operation::active::ActiveOperation,
    options::{
        instrumentation::{Instrumentation, InstrumentationBuilder},
        propagation::Propagation,
    },
};
