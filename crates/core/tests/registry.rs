//! The registry that a validator is given has the attributes that the core records beside the
//! conventions.

use otel_messaging_core::semconv;

#[test]
fn the_registry_has_the_attributes_of_the_core() {
    let registry = include_str!("../../../registry/messaging.yaml");
    let defined: Vec<_> =
        registry.lines().filter_map(|line| line.trim().strip_prefix("- id: messaging.")).collect();
    let recorded = [semconv::CREATION_CONTEXT_TRACE_ID, semconv::CREATION_CONTEXT_SPAN_ID]
        .map(|key| key.trim_start_matches("messaging."));
    assert_eq!(defined, recorded);
}
