//! What a client crate needs beside the types that applications use.
//!
//! A client crate does the following; `otel-messaging-testing` has a toy client that does all of
//! it, and the page "A new broker".
//!
//! 1. Implement [`Message`] for what the client delivers and [`OutgoingMessage`] for what it
//!    sends.
//! 2. Build an [`Instrumenter`](crate::Instrumenter) where a client is made.
//! 3. Call [`Instrumenter::send`](crate::Instrumenter::send), [`receive`](crate::Instrumenter::receive)
//!    and [`Received::settle`](crate::Received::settle) around the client's own calls, and end the
//!    [`ActiveOperation`](crate::ActiveOperation) that they return with the client's result. In
//!    a method that returns a future, do so in a [`Call`], which keeps that small.
//! 4. Implement [`Source`] for the client's streams, which gives them receive spans and batches.
//! 5. Give the wrapper types their accessors by [`wrapper!`](crate::wrapper) and the message type
//!    its `process` methods by [`process_methods!`](crate::process_methods).

#[cfg(not(feature = "otel"))]
pub use crate::off::{Clock, InstrumenterBuilder, Shares, without_ambient};
pub use crate::{
    batch::{buffer::BatchBuffer, incoming::Source},
    message::{
        address::host_and_port,
        message::{AttributeValue, Field, Message, NotInjected, OutgoingMessage},
    },
    operation::{call::Call, run::Processing},
    process_methods, wrapper,
};
#[cfg(feature = "otel")]
pub use crate::{
    instrumenter::{Clock, InstrumenterBuilder},
    operation::{process::without_ambient, shares::Shares},
};
