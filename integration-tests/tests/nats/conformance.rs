//! The conformance suite, on JetStream: what core NATS lacks of it, other tests look at.

use otel_messaging_testing::conformance;

use crate::harness::JetStream;

conformance!(JetStream);
