//! Nothing but tests: see `tests/both_ways/`.
//!
//! `cargo xtask test` runs them twice: with the feature `otel`, and without it. What they assert has
//! to hold either way.
