// The pieces of docs/, of which README.md has some. They are written for all features; where one is
// missing, so are the examples that need it from the tests, and a link may lead nowhere.
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
#![doc = include_str!("../docs/links.md")]
#![cfg_attr(
    any(not(doctest), all(feature = "rdkafka", feature = "tokio")),
    doc = include_str!("../docs/feature-flag.md")
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
        feature = "service",
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

/// NATS and JetStream: takes the place of the client's crate.
#[cfg(feature = "async-nats")]
pub use otel_messaging_async_nats as async_nats;
/// Options, batches and creation contexts: what applications name of the instrumentation.
pub use otel_messaging_core as otel;
/// RabbitMQ: takes the place of the client's crate.
#[cfg(feature = "lapin")]
pub use otel_messaging_lapin as lapin;
/// Apache Kafka: takes the place of the client's crate.
#[cfg(feature = "rdkafka")]
pub use otel_messaging_rdkafka as rdkafka;
