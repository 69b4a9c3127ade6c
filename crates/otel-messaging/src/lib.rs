//! OpenTelemetry instrumentation for message-broker clients.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "async-nats")]
pub use otel_messaging_async_nats as async_nats;
pub use otel_messaging_core as otel;
#[cfg(feature = "lapin")]
pub use otel_messaging_lapin as lapin;
#[cfg(feature = "rdkafka")]
pub use otel_messaging_rdkafka as rdkafka;
