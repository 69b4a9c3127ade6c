//! A day of the demo: how many orders it has, where its brokers are, and what they hold for it.

use crate::{Result, progress::Progress};
use std::env;

/// What makes the names of one run its own.
pub(crate) const SUFFIX: &str = "OTEL_MESSAGING_DEMO_SUFFIX";

/// Shared by all that a service does.
#[derive(Debug)]
pub(crate) struct Day {
    pub(crate) orders: u64,
    /// `HOST:PORT,..`
    pub(crate) kafka: String,
    /// `amqp://USER:PASSWORD@HOST:PORT/VHOST`
    pub(crate) rabbitmq: String,
    /// `HOST:PORT`
    pub(crate) nats: String,
    suffix: String,
    pub(crate) progress: Progress,
}

impl Day {
    /// The names end in what the environment says; without it, they are the same on every day.
    pub(crate) fn from_env(orders: u64) -> Result<Self> {
        Ok(Self {
            orders,
            kafka: endpoint("OTEL_MESSAGING_KAFKA", "host:9092")?,
            rabbitmq: endpoint("OTEL_MESSAGING_RABBITMQ", "amqp://user:password@host:5672/vhost")?,
            nats: endpoint("OTEL_MESSAGING_NATS", "host:4222")?,
            suffix: env::var(SUFFIX).unwrap_or_default(),
            progress: Progress::new(orders),
        })
    }

    /// With names that no other run has.
    pub(crate) fn with_suffix(self, suffix: String) -> Self {
        Self { suffix, ..self }
    }

    pub(crate) fn suffix(&self) -> &str {
        &self.suffix
    }

    /// What a service or a destination is called on this day's brokers.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("{what}{}", self.suffix)
    }
}

fn endpoint(variable: &str, example: &str) -> Result<String> {
    let endpoint = env::var(variable).ok().filter(|endpoint| !endpoint.is_empty());
    Ok(endpoint.ok_or(format!(
        "{variable} does not say where the broker is ({example}): set it, or run \
         `cargo xtask demo --all`, which starts what is not there"
    ))?)
}
