//! Runs the conformance suite on the toy broker.

#[path = "toy/harness.rs"]
mod harness;

otel_messaging_testing::conformance!(harness::Toy);
