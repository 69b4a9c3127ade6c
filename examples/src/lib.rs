//! What the demos share: the requests their customers make, and what is done with the telemetry that
//! their services leave, which is drawn, and counted.

pub mod metrics;
pub mod table;
pub mod tally;
pub mod traces;
pub mod web;
