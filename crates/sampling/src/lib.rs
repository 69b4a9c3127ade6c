//! Samples spans by their links, for the SDK of OpenTelemetry.
//!
//! A consumer's span is often the root of a new trace, with links to the spans that sent its
//! messages. A root sampler such as `TraceIdRatioBased` decides on the new trace alone. At 1 %,
//! nearly every link of a sampled span then leads to a trace that was dropped. A [`LinkSampler`]
//! decides by the links:
//!
//! ```
//! use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
//! use otel_messaging_sampling::LinkSampler;
//!
//! let provider = SdkTracerProvider::builder()
//!     .with_sampler(Sampler::parent_based(LinkSampler::sticky(Sampler::TraceIdRatioBased(0.01))))
//!     .build();
//! # opentelemetry::global::set_tracer_provider(provider);
//! ```
//!
//! [`LinkSampler::sticky`] keeps whole chains at the root sampler's rate. The other constructors
//! follow the sampled flags of the links.
//!
//! # Which links count
//!
//! A link counts if it is valid and remote: its span context came in a message. Links to spans of
//! this process do not count. A span with a valid parent follows its parent, whatever its links
//! are.
//!
//! # Composition
//!
//! The root sampler may be any sampler. Use a function of the trace id such as `TraceIdRatioBased`:
//! with it, all services at the same rate decide alike, and so do the receive, process and settle
//! spans of one message. A rate-limiting root decides for each span anew.
//!
//! Pass a [`LinkSampler`] to `Sampler::parent_based`, or directly to `with_sampler`. Not to the
//! variant `Sampler::ParentBased`: it discards the `tracestate` that a root sampler returns, and
//! chains would break at their second hop. This does not compile:
//!
//! ```compile_fail,E0277
//! # use opentelemetry_sdk::trace::Sampler;
//! # use otel_messaging_sampling::LinkSampler;
//! let sampler = LinkSampler::sticky(Sampler::TraceIdRatioBased(0.01));
//! Sampler::ParentBased(Box::new(sampler)); // `LinkSampler` is no `ShouldSample`
//! ```
//!
//! ```compile_fail,E0308
//! # use opentelemetry_sdk::trace::Sampler;
//! # use otel_messaging_sampling::LinkSampler;
//! let sampler = LinkSampler::sticky(Sampler::TraceIdRatioBased(0.01));
//! Sampler::ParentBased(sampler.into()); // no `Box`
//! ```
//!
//! ```compile_fail,E0277
//! # use opentelemetry_sdk::trace::Sampler;
//! # use otel_messaging_sampling::LinkSampler;
//! let sampler = LinkSampler::sticky(Sampler::TraceIdRatioBased(0.01));
//! Sampler::ParentBased(Box::from(sampler)); // no `From`
//! ```
//!
//! Where a wrapper that the compiler cannot see discards the `tracestate` (another sampler around
//! it, a propagator without `tracestate`), [`LinkSampler::sticky`] logs a warning when a link
//! proves it.
//!
//! # Cargo features
//!
//! - `internal-logs` (default): diagnostics through OpenTelemetry's internal logging.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod bound;
mod decision;
mod link_sampler;
mod origin;

pub use crate::{
    bound::Bound,
    link_sampler::{LinkSampler, UnsampledLinks},
};
