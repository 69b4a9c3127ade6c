//! The brokers we know, and what differs between them in a word or a number.

use std::{fmt, time::Duration};

/// A message broker that tests can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broker {
    Kafka,
    RabbitMq,
    Nats,
}

impl Broker {
    pub(crate) const ALL: [Self; 3] = [Self::Kafka, Self::RabbitMq, Self::Nats];

    /// As people type it; also the service and profile in `docker-compose.yml`, and the directory.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::RabbitMq => "rabbitmq",
            Self::Nats => "nats",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|broker| broker.name() == name)
    }

    /// The environment variable with the endpoint: set by people, and by us for the tests.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Kafka => "OTEL_MESSAGING_KAFKA",
            Self::RabbitMq => "OTEL_MESSAGING_RABBITMQ",
            Self::Nats => "OTEL_MESSAGING_NATS",
        }
    }

    /// The environment variable that asks for a port; `docker-compose.yml` reads it, too.
    pub(crate) fn port_variable(self) -> &'static str {
        match self {
            Self::Kafka => "OTEL_MESSAGING_KAFKA_PORT",
            Self::RabbitMq => "OTEL_MESSAGING_RABBITMQ_PORT",
            Self::Nats => "OTEL_MESSAGING_NATS_PORT",
        }
    }

    /// What an endpoint looks like, for messages.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::Kafka => "host:9092",
            Self::RabbitMq => "amqp://user:password@host:5672/vhost",
            Self::Nats => "host:4222",
        }
    }

    /// Where the search for free ports begins. The first port is the one for clients; the others
    /// are Kafka's controller, and RabbitMQ's distribution and port mapper.
    pub(crate) fn usual_ports(self) -> &'static [u16] {
        match self {
            Self::Kafka => &[9092, 19092],
            Self::RabbitMq => &[5672, 25672, 14369],
            Self::Nats => &[4222],
        }
    }

    /// Where a broker of ours is reached that listens on this port.
    pub(crate) fn endpoint(self, port: u16) -> String {
        match self {
            Self::Kafka | Self::Nats => format!("127.0.0.1:{port}"),
            Self::RabbitMq => format!("amqp://guest:guest@127.0.0.1:{port}/%2f"),
        }
    }

    /// How long it may take from the start of the process to the first answer, on a busy machine.
    pub(crate) fn start_limit(self) -> Duration {
        match self {
            Self::Kafka | Self::RabbitMq => Duration::from_secs(120),
            Self::Nats => Duration::from_secs(30),
        }
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_brokers() {
        for broker in Broker::ALL {
            assert_eq!(Broker::from_name(broker.name()), Some(broker));
        }
        assert_eq!(Broker::from_name("Kafka"), None);
    }

    #[test]
    fn endpoints_of_ours_are_on_loopback() {
        assert_eq!(Broker::Kafka.endpoint(9092), "127.0.0.1:9092");
        assert_eq!(Broker::RabbitMq.endpoint(5673), "amqp://guest:guest@127.0.0.1:5673/%2f");
    }
}
