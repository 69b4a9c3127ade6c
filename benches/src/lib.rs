//! What the benchmarks and the allocation tests of otel-messaging share: one message, three ways
//! to instrument it, and a way to count allocations.
//!
//! - [`ours`]: the core, on each rung of the ladder from disabled to spans with metrics;
//! - [`idiomatic`]: what a careful author writes on the plain API;
//! - [`hand_written`]: what people copy from tutorials.
//!
//! All three work on the same [`Record`](record::Record), whose headers have room of their own:
//! what a client's header type allocates is not what is compared. Contexts have no `tracestate`.
//!
//! | command | answers |
//! |---|---|
//! | `cargo bench -p otel-messaging-benches` | how long each path takes, and whether the budgets hold |
//! | `cargo bench -p otel-messaging-benches --bench budgets` | whether the budgets hold |
//! | `cargo test -p otel-messaging-benches` | whether a path allocates more than it may |
//!
//! Each has a second answer with `--features bound-instruments`.

pub mod allocations;
pub mod bare;
pub mod hand_written;
pub mod idiomatic;
pub mod ours;
pub mod providers;
pub mod record;
