//! Contains the code that the benchmarks and the allocation tests of otel-messaging share: one
//! message, three ways to instrument it, and a counter of allocations.
//!
//! - [`ours`]: the core, on each rung from disabled to spans with metrics;
//! - [`idiomatic`]: careful code on the plain API;
//! - [`hand_written`]: code on the plain API as in tutorials.
//!
//! [`sdk`] is what the SDK takes alone, without a message. The others use the same
//! [`Record`](record::Record), which stores its headers in place: the allocations of a client's
//! header type are not compared. Contexts have no `tracestate`.
//!
//! | command | measures |
//! |---|---|
//! | `cargo bench -p otel-messaging-benches` | the time of each path, and whether the budgets hold |
//! | `cargo bench -p otel-messaging-benches --bench budgets` | whether the budgets hold |
//! | `cargo test -p otel-messaging-benches` | whether a path allocates more than it may |
//!
//! Run each with `--features bound-instruments` too.

pub mod allocations;
pub mod bare;
pub mod hand_written;
pub mod idiomatic;
pub mod ours;
pub mod providers;
pub mod record;
pub mod sdk;
