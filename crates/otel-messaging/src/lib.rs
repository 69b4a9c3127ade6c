#![doc = include_str!("../docs/introduction.md")]
#![doc = include_str!("../docs/quick-start.md")]
#![doc = include_str!("../docs/links.md")]
#![doc = include_str!("../docs/feature-flag.md")]
#![doc = include_str!("../docs/telemetry.md")]
#![doc = include_str!("../docs/options.md")]
#![doc = include_str!("../docs/changes.md")]
#![doc = include_str!("../docs/security.md")]
#![doc = include_str!("../docs/troubleshooting.md")]
#![doc = include_str!("../docs/compatibility.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The docs are written, built and checked with all features; what a link leads to may be behind
// one of them.
#![cfg_attr(
    not(all(
        feature = "otel",
        feature = "rdkafka",
        feature = "lapin",
        feature = "jetstream",
        feature = "service",
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

#[cfg(feature = "async-nats")]
pub use otel_messaging_async_nats as async_nats;
pub use otel_messaging_core as otel;
#[cfg(feature = "lapin")]
pub use otel_messaging_lapin as lapin;
#[cfg(feature = "rdkafka")]
pub use otel_messaging_rdkafka as rdkafka;

/// Brings `process`, `batches` and their sisters into scope where the clients are the bare ones,
/// which have no such methods.
///
/// With the feature `otel` it expands to nothing, as there they are the clients' own: an import
/// that one build needs and the other does not would be a warning in one of them.
#[macro_export]
macro_rules! prelude {
    () => {};
}
