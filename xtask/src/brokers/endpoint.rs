//! Where a broker is reached: what the environment says, taken apart far enough to connect.

use super::{broker::Broker, instance::Instance};
use std::{env, fmt};

/// An endpoint in the form its client takes: a list of `host:port`, or a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    value: String,
    /// `host:port` of every server that is named.
    servers: Vec<String>,
    is_encrypted: bool,
}

impl Endpoint {
    /// What the environment names for this broker, if it does.
    pub(crate) fn from_environment(
        broker: Broker,
        instance: &Instance,
    ) -> Result<Option<Self>, String> {
        if *instance != Instance::Shared {
            return Ok(None);
        }
        let variable = broker.variable();
        match env::var(variable) {
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => Err(format!("{variable} is not UTF-8")),
            Ok(value) if value.trim().is_empty() => Ok(None),
            Ok(value) => Self::parse(broker, &value).map(Some).map_err(|cause| {
                format!("{variable} {cause}; it looks like this: {}", broker.example())
            }),
        }
    }

    /// The error continues a sentence that begins with the name of the value.
    pub(crate) fn parse(broker: Broker, value: &str) -> Result<Self, String> {
        let value = value.trim();
        let (default_port, plain, encrypted) = match broker {
            Broker::Kafka => (9092, "", ""),
            Broker::RabbitMq => (5672, "amqp", "amqps"),
            Broker::Nats => (4222, "nats", "tls"),
        };
        let mut servers = Vec::new();
        let mut is_encrypted = false;
        // A vhost or a password may hold a comma: one URL is one server.
        let parts =
            if broker == Broker::RabbitMq { vec![value] } else { value.split(',').collect() };
        for part in parts {
            let part = part.trim();
            let authority = match part.split_once("://") {
                Some((scheme, rest))
                    if !plain.is_empty() && [plain, encrypted].contains(&scheme) =>
                {
                    is_encrypted |= scheme == encrypted;
                    rest.split(['/', '?']).next().unwrap_or_default()
                }
                Some((scheme, _)) => return Err(format!("has the scheme `{scheme}`")),
                None if broker == Broker::RabbitMq => return Err("is not a URL".into()),
                None => part,
            };
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            let default_port =
                if scheme_is_amqps(broker, is_encrypted) { 5671 } else { default_port };
            servers.push(with_port(host, default_port)?);
        }
        Ok(Self { value: value.to_owned(), servers, is_encrypted })
    }

    /// As clients take it.
    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    pub(crate) fn servers(&self) -> &[String] {
        &self.servers
    }

    /// Behind TLS we cannot ask a broker anything without a TLS library.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }
}

/// Without passwords: what people see may end up in a log.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.servers.join(","))
    }
}

fn scheme_is_amqps(broker: Broker, is_encrypted: bool) -> bool {
    broker == Broker::RabbitMq && is_encrypted
}

fn with_port(host: &str, default: u16) -> Result<String, String> {
    // `[::1]:9092` and `[::1]` have colons that separate nothing.
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    if name.is_empty() {
        return Err("names no host".into());
    }
    let port = match port {
        None => default,
        Some(port) => port.parse().map_err(|_| format!("has no port in `{host}`"))?,
    };
    Ok(format!("{name}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(broker: Broker, value: &str) -> Result<String, String> {
        Endpoint::parse(broker, value).map(|endpoint| endpoint.servers.join(" "))
    }

    #[test]
    fn kafka_takes_a_list() {
        assert_eq!(servers(Broker::Kafka, "a:1, b"), Ok("a:1 b:9092".into()));
        assert_eq!(servers(Broker::Kafka, "[::1]:9093"), Ok("[::1]:9093".into()));
        assert_eq!(servers(Broker::Kafka, "[::1]"), Ok("[::1]:9092".into()));
    }

    #[test]
    fn urls_give_their_hosts() {
        let value = "amqp://u:p@ss@broker:5673/%2f?heartbeat=10";
        let endpoint = Endpoint::parse(Broker::RabbitMq, value).unwrap();
        assert_eq!(endpoint.servers(), ["broker:5673"]);
        assert_eq!(endpoint.value(), value);
        assert_eq!(servers(Broker::RabbitMq, "amqps://broker"), Ok("broker:5671".into()));
        assert_eq!(servers(Broker::Nats, "nats://token@n"), Ok("n:4222".into()));
        assert_eq!(servers(Broker::Nats, "n:4223"), Ok("n:4223".into()));
        assert!(Endpoint::parse(Broker::Nats, "tls://n").unwrap().is_encrypted());
    }

    #[test]
    fn passwords_are_not_shown() {
        let endpoint = Endpoint::parse(Broker::RabbitMq, "amqp://u:secret@broker/v").unwrap();
        assert_eq!(endpoint.to_string(), "broker:5672");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(servers(Broker::Kafka, "a:b"), Err("has no port in `a:b`".into()));
        assert_eq!(servers(Broker::Kafka, "a:1,"), Err("names no host".into()));
        assert_eq!(servers(Broker::Kafka, "http://a:1"), Err("has the scheme `http`".into()));
        assert_eq!(servers(Broker::RabbitMq, "a:5672"), Err("is not a URL".into()));
    }
}
