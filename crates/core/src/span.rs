//! How a span starts and ends, and the metrics that come with it.

pub(crate) mod end;
pub(crate) mod facts;
pub(crate) mod interned;
pub(crate) mod links;
pub(crate) mod metrics;
pub(crate) mod providers;
pub(crate) mod start;
pub(crate) mod target;
