//! Describes a broker by what differs from the others. The values are in each broker's file.

use super::{instance::Instance, kafka::KAFKA, native::Launch, nats::NATS, rabbitmq::RABBITMQ};
use std::{env, fmt};

pub(super) const ALL: [&Broker; 3] = [&KAFKA, &RABBITMQ, &NATS];

pub(super) struct Broker {
    /// The name on the command line and of the directory, and the service and profile in
    /// `docker-compose.yml`.
    pub(super) name: &'static str,
    /// The environment variable with the endpoint, for people to set and for tests to read.
    pub(super) variable: &'static str,
    /// An endpoint as an example for messages.
    pub(super) example: &'static str,
    /// The endpoint of a broker that `up` starts, with `{port}` for its port.
    pub(super) local: &'static str,
    /// Where the search for free ports begins, the clients' port first.
    pub(super) ports: &'static [u16],
    /// The request that a broker which is ready answers.
    pub(super) request: &'static [u8],
    /// Checks the beginning of the answer.
    pub(super) check: fn(&[u8; 12]) -> Result<(), &'static str>,
    /// Installs what is missing and configures a native server.
    pub(super) prepare: fn(&Instance) -> Result<Launch, String>,
    /// The ways to install what `prepare` needs, for a message.
    pub(super) installs: &'static str,
}

impl Broker {
    /// Returns the endpoint that the environment names. Named instances never come from there, since
    /// tests kill them.
    pub(super) fn environment_endpoint(
        &self,
        instance: Option<&str>,
    ) -> Result<Option<String>, String> {
        let value = env::var_os(self.variable).filter(|_| instance.is_none()).unwrap_or_default();
        let value = value.to_string_lossy().trim().to_owned();
        if !value.is_empty() && self.example.contains("://") && !value.contains("://") {
            return Err(format!("{} is not a URL like {}", self.variable, self.example));
        }
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// Returns the endpoint of a broker on this machine.
    pub(super) fn endpoint(&self, port: u16) -> String {
        self.local.replace("{port}", &port.to_string())
    }

    /// Returns the environment variable that chooses the port. `docker-compose.yml` reads it too.
    pub(super) fn port_variable(&self) -> String {
        format!("{}_PORT", self.variable)
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}
