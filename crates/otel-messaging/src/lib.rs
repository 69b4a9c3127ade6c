// The documentation is in docs/, one file a section. Its examples are written for all features:
// where one is missing, the examples that need it are not tested, and links to it are not resolved.
#![doc = include_str!("../docs/introduction.md")]
#![cfg_attr(
    any(
        not(doctest),
        all(
            feature = "otel",
            feature = "rdkafka",
            feature = "tokio",
            feature = "lapin",
            feature = "async-nats",
        )
    ),
    doc = include_str!("../docs/quick-start.md")
)]
#![cfg_attr(
    any(not(doctest), all(feature = "rdkafka", feature = "tokio")),
    doc = include_str!("../docs/tracing.md")
)]
#![doc = include_str!("../docs/telemetry.md")]
#![cfg_attr(
    any(
        not(doctest),
        all(
            feature = "otel",
            feature = "rdkafka",
            feature = "tokio",
            feature = "lapin",
            feature = "async-nats",
        )
    ),
    doc = include_str!("../docs/options.md")
)]
#![doc = include_str!("../docs/links.md")]
#![cfg_attr(
    any(not(doctest), feature = "sampling"),
    doc = include_str!("../docs/sampling.md")
)]
#![cfg_attr(
    any(not(doctest), all(feature = "rdkafka", feature = "tokio")),
    doc = include_str!("../docs/feature-flag.md")
)]
#![cfg_attr(
    any(not(doctest), all(feature = "otel", feature = "async-nats")),
    doc = include_str!("../docs/testing.md")
)]
#![doc = include_str!("../docs/changes.md")]
#![doc = include_str!("../docs/security.md")]
#![doc = include_str!("../docs/troubleshooting.md")]
#![doc = include_str!("../docs/compatibility.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(
        feature = "otel",
        feature = "rdkafka",
        feature = "lapin",
        feature = "jetstream",
        feature = "sampling",
        feature = "service",
        feature = "tracing",
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

/// NATS and JetStream: takes the place of the client's crate.
#[cfg(feature = "async-nats")]
pub use otel_messaging_async_nats as async_nats;
/// Options, batches and creation contexts: the types of the telemetry that applications name.
pub mod otel {
    // A module, as a renamed crate would appear in errors under its own name.
    pub use otel_messaging_core::*;
}
/// RabbitMQ: takes the place of the client's crate.
#[cfg(feature = "lapin")]
pub use otel_messaging_lapin as lapin;
/// Apache Kafka: takes the place of the client's crate.
#[cfg(feature = "rdkafka")]
pub use otel_messaging_rdkafka as rdkafka;
/// Samples by links: chains of linked traces are kept or dropped as a whole. See [Sampling](#sampling).
#[cfg(feature = "sampling")]
pub mod sampling {
    pub use otel_messaging_sampling::*;
}
