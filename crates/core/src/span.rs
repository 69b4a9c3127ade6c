//! How a span starts and ends, and the metrics that come with it.

pub(crate) mod ambient;
#[cfg(feature = "tracing")]
pub(crate) mod callsite;
pub(crate) mod counter;
pub(crate) mod end;
pub(crate) mod facts;
#[cfg(feature = "tracing")]
pub(crate) mod innermost;
pub(crate) mod interned;
pub(crate) mod links;
pub(crate) mod metrics;
#[cfg(not(feature = "tracing"))]
pub(crate) mod no_subscriber;
pub(crate) mod numbered;
pub(crate) mod opt_in;
pub(crate) mod providers;
pub(crate) mod start;
#[cfg(feature = "tracing")]
pub(crate) mod subscriber;
pub(crate) mod target;
pub(crate) mod telemetry;
pub(crate) mod tracers;

#[cfg(not(feature = "tracing"))]
pub(crate) use self::no_subscriber::{self as innermost, self as subscriber};
