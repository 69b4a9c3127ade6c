//! Lists the scenarios, with the budgets of each.

use serde::{Deserialize, Serialize};

/// What is done with a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Scenario {
    /// `ThreadedProducer`, with this number of messages in flight.
    KafkaForget(usize),
    /// `FutureProducer`, with 1,000 messages in flight.
    KafkaFuture,
    /// `recv` and `process`.
    KafkaProcess,
    /// `batches` of 500 and `process`.
    KafkaBatch,
    /// `publish`.
    NatsPublish,
    /// `subscribe` and `process`.
    NatsProcess,
    /// `publish`, with 1,000 acknowledgements in flight.
    JetstreamPublish,
    /// `fetch` of 500, `process` and `ack` of each.
    JetstreamFetch,
    /// `basic_publish`, with 1,000 confirms in flight.
    RabbitmqPublish,
    /// `basic_consume`, `process` and `ack` of each.
    RabbitmqConsume,
}

/// The most that may be added to a message, in nanoseconds of CPU on the machine of reference, at
/// 1 % and at 100 %.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// With plain instruments.
    pub(crate) plain: [f64; 2],
    /// With bound instruments.
    pub(crate) bound: [f64; 2],
}

/// Where the messages of a consumer that is measured come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supply {
    /// The measured process sends them.
    None,
    /// A destination that is filled once: receiving leaves the messages there.
    Kept,
    /// A destination that is filled for each process.
    Drained,
}

impl Scenario {
    /// All scenarios, in the order of the tables.
    pub(crate) const ALL: [Self; 12] = [
        Self::KafkaForget(50_000),
        Self::KafkaForget(5_000),
        Self::KafkaForget(500),
        Self::KafkaFuture,
        Self::KafkaProcess,
        Self::KafkaBatch,
        Self::NatsPublish,
        Self::NatsProcess,
        Self::JetstreamPublish,
        Self::JetstreamFetch,
        Self::RabbitmqPublish,
        Self::RabbitmqConsume,
    ];

    /// Returns the name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::KafkaForget(50_000) => "kafka-forget-50k",
            Self::KafkaForget(5_000) => "kafka-forget-5k",
            Self::KafkaForget(_) => "kafka-forget-500",
            Self::KafkaFuture => "kafka-future",
            Self::KafkaProcess => "kafka-process",
            Self::KafkaBatch => "kafka-batch",
            Self::NatsPublish => "nats-publish",
            Self::NatsProcess => "nats-process",
            Self::JetstreamPublish => "jetstream-publish",
            Self::JetstreamFetch => "jetstream-fetch",
            Self::RabbitmqPublish => "rabbitmq-publish",
            Self::RabbitmqConsume => "rabbitmq-consume",
        }
    }

    /// Returns the name in tables.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::KafkaForget(50_000) => "Kafka, fire and forget, 50k in flight",
            Self::KafkaForget(5_000) => "Kafka, fire and forget, 5k in flight",
            Self::KafkaForget(_) => "Kafka, fire and forget, 500 in flight",
            Self::KafkaFuture => "Kafka, `FutureProducer`, 1k in flight",
            Self::KafkaProcess => "Kafka, `recv` and `process`",
            Self::KafkaBatch => "Kafka, batches of 500",
            Self::NatsPublish => "NATS, publish",
            Self::NatsProcess => "NATS, subscribe and `process`",
            Self::JetstreamPublish => "JetStream, publish, 1k in flight",
            Self::JetstreamFetch => "JetStream, fetch of 500, ack each",
            Self::RabbitmqPublish => "RabbitMQ, publish, 1k confirms in flight",
            Self::RabbitmqConsume => "RabbitMQ, consume, ack each",
        }
    }

    /// Returns the environment variable with the broker's endpoint.
    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Self::KafkaForget(_) | Self::KafkaFuture | Self::KafkaProcess | Self::KafkaBatch => {
                "OTEL_MESSAGING_KAFKA"
            }
            Self::NatsPublish
            | Self::NatsProcess
            | Self::JetstreamPublish
            | Self::JetstreamFetch => "OTEL_MESSAGING_NATS",
            Self::RabbitmqPublish | Self::RabbitmqConsume => "OTEL_MESSAGING_RABBITMQ",
        }
    }

    /// Returns `messaging.system`.
    pub(crate) fn system(self) -> &'static str {
        match self.variable() {
            "OTEL_MESSAGING_KAFKA" => "kafka",
            "OTEL_MESSAGING_NATS" => "nats",
            _ => "rabbitmq",
        }
    }

    /// Returns whether messages are sent, and not received, by what is measured.
    pub(crate) const fn is_producer(self) -> bool {
        matches!(
            self,
            Self::KafkaForget(_)
                | Self::KafkaFuture
                | Self::NatsPublish
                | Self::JetstreamPublish
                | Self::RabbitmqPublish
        )
    }

    /// Returns whether the broker answers what is sent.
    pub(crate) const fn is_answered(self) -> bool {
        self.is_producer() && !matches!(self, Self::NatsPublish)
    }

    /// Returns whether the destination is a stream of JetStream.
    pub(crate) const fn has_stream(self) -> bool {
        matches!(self, Self::JetstreamPublish | Self::JetstreamFetch)
    }

    /// Returns where the messages that a consumer receives come from.
    pub(crate) const fn supply(self) -> Supply {
        match self {
            Self::KafkaProcess | Self::KafkaBatch | Self::JetstreamFetch => Supply::Kept,
            Self::RabbitmqConsume => Supply::Drained,
            _ => Supply::None,
        }
    }

    /// Returns the messages of a round.
    pub(crate) const fn messages(self) -> usize {
        match self {
            Self::KafkaBatch => 1_000_000,
            Self::RabbitmqPublish | Self::RabbitmqConsume => 40_000,
            Self::JetstreamPublish | Self::JetstreamFetch => 200_000,
            _ => 500_000,
        }
    }

    /// Returns the budget of the machine of reference. What has none is measured only.
    pub(crate) const fn budget(self) -> Option<Budget> {
        let (plain, bound) = match self {
            Self::KafkaForget(50_000) => ([1000.0, 2500.0], [700.0, 2200.0]),
            Self::KafkaFuture => ([650.0, 1300.0], [450.0, 1100.0]),
            Self::KafkaProcess => ([1000.0, 2100.0], [600.0, 1800.0]),
            Self::KafkaBatch => ([240.0, 450.0], [240.0, 450.0]),
            Self::NatsPublish => ([400.0, 800.0], [300.0, 700.0]),
            Self::NatsProcess => ([800.0, 1400.0], [550.0, 1200.0]),
            Self::JetstreamPublish => ([400.0, 900.0], [300.0, 800.0]),
            Self::JetstreamFetch => ([650.0, 1300.0], [600.0, 1200.0]),
            Self::RabbitmqConsume => ([2500.0, 3500.0], [2000.0, 3000.0]),
            Self::KafkaForget(_) | Self::RabbitmqPublish => return None,
        };
        Some(Budget { plain, bound })
    }

    /// Returns the least throughput at 1 % and at 100 %, as a part of that of the bare client with
    /// the header.
    pub(crate) const fn throughput_budget(self) -> Option<[f64; 2]> {
        match self {
            Self::KafkaFuture | Self::JetstreamPublish | Self::RabbitmqPublish => {
                Some([0.97, 0.95])
            }
            _ => None,
        }
    }
}
