//! A client and streams for one test, and the telemetry that they should record.

use std::time::Duration;

use opentelemetry::{InstrumentationScope, trace::SpanKind};
use otel_messaging_async_nats::{
    Client, ConnectOptions,
    jetstream::{
        self, Context,
        consumer::{Consumer, FromConsumer, IntoConsumerConfig},
        stream::{self, StorageType, Stream},
    },
    otel::{Instrumentation, InstrumentationBuilder, semconv},
    semconv::{DELIVERY_COUNT, SEQUENCE, STREAM},
};
use otel_messaging_integration_tests::{nats, unique};
use otel_messaging_testing::{
    attributes::ExpectedValue,
    spans::{ExpectedSpan, span},
    telemetry::{self, Telemetry},
};

pub(crate) type Attributes = Vec<(&'static str, ExpectedValue)>;

/// Longer than anything on loopback takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Telemetry, a client that reports to it, and a unique name: that of its stream, with which its
/// subjects start.
pub(crate) struct Nats {
    pub(crate) telemetry: Telemetry,
    pub(crate) client: Client,
    pub(crate) context: Context,
    pub(crate) name: String,
    /// Whether what is made on the server has to be deleted.
    is_shared: bool,
}

impl Nats {
    /// On the shared server.
    pub(crate) async fn new() -> Self {
        Self::on(&nats(), Telemetry::builder(), |builder| builder, true).await
    }

    pub(crate) async fn with(
        telemetry: telemetry::Builder,
        choose: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
    ) -> Self {
        Self::on(&nats(), telemetry, choose, true).await
    }

    /// On a server that only this test uses.
    pub(crate) async fn alone(server: &str) -> Self {
        Self::on(server, Telemetry::builder(), |builder| builder, false).await
    }

    async fn on(
        server: &str,
        telemetry: telemetry::Builder,
        choose: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
        is_shared: bool,
    ) -> Self {
        let telemetry = telemetry.expecting_scope(scope()).build();
        let instrumentation = choose(telemetry.instrumentation()).build();
        let client = connect(server, &instrumentation).await;
        let context = jetstream::new(client.clone());
        Self { telemetry, client, context, name: unique(), is_shared }
    }

    pub(crate) fn subject(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }

    /// The stream of all subjects of this test.
    pub(crate) async fn stream(&self) -> Stream {
        let storage = if self.is_shared { StorageType::Memory } else { StorageType::File };
        let config = stream::Config {
            name: self.name.clone(),
            subjects: vec![self.subject(">")],
            storage,
            allow_direct: true,
            ..Default::default()
        };
        self.context.create_stream(config).await.expect("the stream is made")
    }

    /// The stream with so many messages to `orders`, and a consumer. Their telemetry is cleared.
    pub(crate) async fn consumer<C>(&self, messages: usize, config: C) -> (Stream, Consumer<C>)
    where
        C: IntoConsumerConfig + FromConsumer,
    {
        let stream = self.stream().await;
        self.fill(messages).await;
        let consumer = stream.create_consumer(config).await.expect("the consumer is made");
        self.telemetry.clear();
        (stream, consumer)
    }

    /// Publishes messages to `orders`, whose bodies are their numbers from 0 on.
    pub(crate) async fn fill(&self, messages: usize) {
        for index in 0..messages {
            let publish = self.context.publish(self.subject("orders"), index.to_string().into());
            publish.await.expect("the client takes it").await.expect("the stream takes it");
        }
    }

    /// The attributes of every span of an operation on `orders`.
    pub(crate) fn attributes(&self, operation: &'static str, kind: &'static str) -> Attributes {
        let info = self.client.server_info();
        vec![
            (semconv::SYSTEM, "nats".into()),
            (semconv::OPERATION_NAME, operation.into()),
            (semconv::OPERATION_TYPE, kind.into()),
            (semconv::SERVER_ADDRESS, info.host.into()),
            (semconv::SERVER_PORT, i64::from(info.port).into()),
            (semconv::CLIENT_ID, info.client_id.to_string().into()),
            (semconv::DESTINATION_NAME, self.subject("orders").into()),
        ]
    }

    /// A span of an operation on `orders`.
    pub(crate) fn span(
        &self,
        operation: &'static str,
        kind: &'static str,
        otel: SpanKind,
    ) -> ExpectedSpan {
        let name = format!("{operation} {}", self.subject("orders"));
        span(name).kind(otel).attributes(self.attributes(operation, kind))
    }

    pub(crate) fn publish(&self) -> ExpectedSpan {
        self.span("publish", "send", SpanKind::Producer)
    }

    /// The span of publishing a message that the stream has now.
    pub(crate) fn published(&self, sequence: i64) -> ExpectedSpan {
        self.publish().attributes(self.stream_attribute()).attributes(at(sequence))
    }

    /// A span of a consumer.
    pub(crate) fn consuming(
        &self,
        operation: &'static str,
        kind: &'static str,
        group: Option<&'static str>,
    ) -> ExpectedSpan {
        let otel = if kind == "process" { SpanKind::Consumer } else { SpanKind::Client };
        self.span(operation, kind, otel)
            .attributes(self.stream_attribute())
            .attributes(group.map(|group| (semconv::CONSUMER_GROUP_NAME, group.into())))
    }

    pub(crate) fn stream_attribute(&self) -> Attributes {
        vec![(STREAM, self.name.clone().into())]
    }
}

impl Drop for Nats {
    /// Deletes the stream: the server may be shared.
    fn drop(&mut self) {
        if self.is_shared {
            tokio::task::block_in_place(|| {
                // There may be no stream.
                let delete = self.context.delete_stream(&self.name);
                let _ = tokio::runtime::Handle::current().block_on(delete);
            });
        }
    }
}

pub(crate) async fn connect(server: &str, instrumentation: &Instrumentation) -> Client {
    let options = ConnectOptions::new().reconnect_delay_callback(|_| Duration::from_millis(20));
    Client::connect(server, options, instrumentation).await.expect("the client connects")
}

/// The number of a message in its stream.
pub(crate) fn at(sequence: i64) -> Attributes {
    vec![(SEQUENCE, sequence.into())]
}

/// How many messages a batch has.
pub(crate) fn count(messages: i64) -> Attributes {
    vec![(semconv::BATCH_MESSAGE_COUNT, messages.into())]
}

/// How often a message was delivered, from the second time on.
pub(crate) fn deliveries(count: i64) -> Attributes {
    vec![(DELIVERY_COUNT, count.into())]
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("otel-messaging-async-nats")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url("https://opentelemetry.io/schemas/1.44.0")
        .build()
}
