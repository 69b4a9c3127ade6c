//! The operations of the conventions: create, send, receive, process, settle.

#[cfg(feature = "otel")]
pub(crate) mod active;
pub(crate) mod call;
pub(crate) mod kind;
#[cfg(feature = "otel")]
mod packed;
#[cfg(feature = "otel")]
pub(crate) mod process;
#[cfg(feature = "otel")]
pub(crate) mod receive;
pub(crate) mod run;
#[cfg(feature = "otel")]
pub(crate) mod send;
#[cfg(feature = "otel")]
pub(crate) mod settle;
#[cfg(feature = "otel")]
pub(crate) mod shares;
