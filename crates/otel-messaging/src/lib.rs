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

/// NATS and JetStream: in the place of the client's crate.
#[cfg(feature = "async-nats")]
pub use otel_messaging_async_nats as async_nats;
/// What is recorded and what handlers mean: options, batches, creation contexts.
#[cfg(feature = "otel")]
pub use otel_messaging_core as otel;
/// What handlers mean, where nothing is recorded.
#[cfg(not(feature = "otel"))]
pub use otel_messaging_core::pass_through as otel;
/// RabbitMQ: in the place of the client's crate.
#[cfg(feature = "lapin")]
pub use otel_messaging_lapin as lapin;
/// Apache Kafka: in the place of the client's crate.
#[cfg(feature = "rdkafka")]
pub use otel_messaging_rdkafka as rdkafka;

/// Brings the ways to process and to collect batches into scope where they are not the messages' and
/// consumers' own, which is without the feature `otel`.
///
/// An application that builds with and without that feature calls it in each module that calls one
/// of `process`, `process_with`, `process_sync`, `process_classified`, `batches`, `into_batch` and
/// `into_vec`. With the feature on, it is nothing: an import would be one that is not used, and
/// warned of.
///
/// ```
/// otel_messaging::prelude!();
/// ```
#[macro_export]
macro_rules! prelude {
    () => {
        $crate::__prelude!();
    };
}

#[cfg(feature = "otel")]
#[doc(hidden)]
#[macro_export]
macro_rules! __prelude {
    () => {};
}

#[cfg(not(feature = "otel"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __prelude {
    () => {
        #[allow(unused_imports)]
        use $crate::pass_through::*;
    };
}

/// What `prelude!` imports: the ways to process and to collect batches, as traits of each client.
#[cfg(not(feature = "otel"))]
#[doc(hidden)]
pub mod pass_through {
    #[cfg(feature = "jetstream")]
    pub use otel_messaging_async_nats::pass_through::CollectAll as _;
    #[cfg(feature = "async-nats")]
    pub use otel_messaging_async_nats::pass_through::{CollectBatches as _, Process as _};
    pub use otel_messaging_core::pass_through::IntoVec as _;
    #[cfg(feature = "lapin")]
    pub use otel_messaging_lapin::pass_through::{CollectBatches as _, Process as _};
    #[cfg(feature = "rdkafka")]
    pub use otel_messaging_rdkafka::pass_through::{CollectBatches as _, Process as _};
}
