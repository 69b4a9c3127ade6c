//! What the demos share: they collect the telemetry that their services leave, draw it, and count
//! whether anything is missing.

pub mod metrics;
pub mod table;
pub mod tally;
pub mod traces;
