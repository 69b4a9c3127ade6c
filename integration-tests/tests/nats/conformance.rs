//! The conformance suite on JetStream. Core NATS has an instance in `crates/async-nats`.

use otel_messaging_testing::conformance;

use crate::harness::JetStream;

conformance!(JetStream);
