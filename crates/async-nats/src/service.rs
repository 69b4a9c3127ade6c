//! Services: receives, processes and answers requests.
//!
//! Mirrors `async_nats::service`:
//!
//! ```no_run
//! # #[cfg(feature = "service")] mod shop {
//! use futures::StreamExt;
//! use otel_messaging_async_nats as async_nats;
//! use async_nats::service::ServiceExt;
//!
//! # async fn serve() -> Result<(), async_nats::Error> {
//! let client = async_nats::connect("localhost").await?;
//! let service = client.service_builder().start("shop", "1.0.0").await?;
//! let mut prices = service.endpoint("prices").await?;
//! while let Some(request) = prices.next().await {
//!     request.process(request.respond(Ok("7".into()))).await?; // answered in the process span
//! }
//! # Ok(())
//! # }
//! # }
//! ```
#![cfg_attr(
    not(feature = "service"),
    doc = "",
    doc = "**Empty: enable the feature `service` of this crate.** The module is there so that the \
           client's own is not mistaken for it."
)]

#[cfg(feature = "service")]
mod builder;
#[cfg(feature = "service")]
pub mod endpoint;
#[cfg(feature = "service")]
mod request;

#[cfg(feature = "service")]
pub use ::async_nats::service::*;

#[cfg(feature = "service")]
pub use self::{
    builder::{EndpointBuilder, Group, Service, ServiceBuilder, ServiceExt},
    endpoint::Endpoint,
    request::Request,
};
