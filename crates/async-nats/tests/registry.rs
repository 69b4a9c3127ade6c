//! The registry that a validator is given has the attributes that this crate records beside the
//! conventions, and no others.

#![cfg(feature = "otel")]

use otel_messaging_async_nats::semconv;

#[test]
fn the_registry_has_the_attributes_of_nats() {
    let registry = include_str!("../../../registry/nats.yaml");
    let defined: Vec<_> =
        registry.lines().filter_map(|line| line.trim().strip_prefix("- id: messaging.")).collect();
    let mut recorded =
        [semconv::STREAM, semconv::SEQUENCE, semconv::DUPLICATE, semconv::DELIVERY_COUNT]
            .map(|key| key.trim_start_matches("messaging."));
    let mut sorted = defined.clone();
    sorted.sort_unstable();
    recorded.sort_unstable();
    assert_eq!(sorted, recorded);
    // Nothing else in the module is a name of NATS's own.
    let constants = include_str!("../src/semconv.rs").matches("\"messaging.nats.").count();
    assert_eq!(constants, recorded.len());
}
