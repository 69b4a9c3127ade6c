//! A shop on the shared broker, which most scenarios start with.

use std::time::Duration;

use opentelemetry::{InstrumentationScope, trace::SpanKind};
use otel_messaging_integration_tests::{rabbitmq, unique};
use otel_messaging_lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, PublisherConfirm, bare,
    options::{
        BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
    },
    otel::{Instrumentation, InstrumentationBuilder, OperationType},
    semconv,
    types::{FieldTable, ShortString},
    uri::AMQPUri,
};
use otel_messaging_testing::{
    attributes::ExpectedValue,
    spans::{ExpectedSpan, span},
    telemetry::Telemetry,
};

/// Longer than anything on loopback takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An instrumented connection with one channel, and telemetry of its own.
pub(crate) struct Shop {
    pub(crate) telemetry: Telemetry,
    pub(crate) instrumentation: Instrumentation,
    pub(crate) connection: Connection,
    pub(crate) channel: Channel,
    server: (String, u16),
    suffix: String,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(|builder| builder).await
    }

    pub(crate) async fn open_with(
        choose: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
    ) -> Self {
        Self::open_at(&rabbitmq(), ConnectionProperties::default(), choose).await
    }

    /// Opens a shop at the broker of this URI, with these properties.
    pub(crate) async fn open_at(
        uri: &str,
        properties: ConnectionProperties,
        choose: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
    ) -> Self {
        let telemetry = Telemetry::builder().expecting_scope(scope()).build();
        let instrumentation = choose(telemetry.instrumentation()).build();
        let connection = bare::Connection::connect(uri, properties).await;
        let connection = connection.expect("the broker is there");
        let connection = Connection::wrap(connection, uri, &instrumentation);
        let channel = connection.create_channel().await.expect("a channel is made");
        let AMQPUri { authority, .. } = uri.parse().expect("it is a URI");
        let server = (authority.host, authority.port);
        Self { telemetry, instrumentation, connection, channel, server, suffix: unique() }
    }

    /// Makes a name that no other test has.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{name}-{}", self.suffix)
    }

    pub(crate) async fn confirming(&self) {
        let confirm = self.channel.confirm_select(ConfirmSelectOptions::default()).await;
        confirm.expect("confirms are on");
    }

    /// Makes an exclusive queue, without telling the instrumented channel that it is temporary.
    pub(crate) async fn queue(&self, name: &str) -> ShortString {
        self.queue_with(name, FieldTable::default()).await
    }

    pub(crate) async fn queue_with(&self, name: &str, arguments: FieldTable) -> ShortString {
        let (name, options) = (self.name(name).into(), QueueDeclareOptions::exclusive());
        let queue = self.channel.get_ref().queue_declare(name, options, arguments).await;
        queue.expect("the queue is made").name().clone()
    }

    pub(crate) async fn consume(&self, queue: &ShortString) -> Consumer {
        let (queue, options) = (queue.clone(), BasicConsumeOptions::default());
        let consumer =
            self.channel.basic_consume(queue, "".into(), options, FieldTable::default()).await;
        consumer.expect("the queue is there")
    }

    /// Publishes to a queue.
    pub(crate) async fn publish(&self, queue: &ShortString, body: &str) -> PublisherConfirm {
        self.publish_as(queue, body, BasicProperties::default()).await
    }

    pub(crate) async fn publish_as(
        &self,
        queue: &ShortString,
        body: &str,
        properties: BasicProperties,
    ) -> PublisherConfirm {
        let (queue, options) = (queue.clone(), BasicPublishOptions::default());
        let body = body.as_bytes();
        let publish = self.channel.basic_publish("".into(), queue, options, body, properties);
        publish.await.expect("it is handed over")
    }

    /// Expects a span of an operation on one message.
    pub(crate) fn span(
        &self,
        verb: &'static str,
        operation: OperationType,
        destination: &str,
    ) -> ExpectedSpan {
        self.span_called(format!("{verb} {destination}"), verb, operation, destination)
    }

    /// Expects a span whose name has no destination.
    pub(crate) fn span_unnamed(
        &self,
        verb: &'static str,
        operation: OperationType,
        destination: &str,
    ) -> ExpectedSpan {
        self.span_called(verb.to_owned(), verb, operation, destination)
    }

    fn span_called(
        &self,
        name: String,
        verb: &'static str,
        operation: OperationType,
        destination: &str,
    ) -> ExpectedSpan {
        self.span_anywhere(name, verb, operation)
            .attributes([("messaging.destination.name", destination.to_owned().into())])
    }

    /// Expects a span that does not know its destination.
    pub(crate) fn span_anywhere(
        &self,
        name: String,
        verb: &'static str,
        operation: OperationType,
    ) -> ExpectedSpan {
        let kind = match operation {
            OperationType::Create | OperationType::Send => SpanKind::Producer,
            OperationType::Process => SpanKind::Consumer,
            _ => SpanKind::Client,
        };
        span(name).kind(kind).attributes([
            ("messaging.system", "rabbitmq".into()),
            ("messaging.operation.name", verb.into()),
            ("messaging.operation.type", operation.as_str().into()),
            ("server.address", self.server.0.clone().into()),
            ("server.port", i64::from(self.server.1).into()),
        ])
    }

    /// Returns the attributes of a metric that does not know its destination.
    pub(crate) fn measured(&self, verb: &'static str) -> Vec<(&'static str, ExpectedValue)> {
        vec![
            ("messaging.system", "rabbitmq".into()),
            ("messaging.operation.name", verb.into()),
            ("server.address", self.server.0.clone().into()),
            ("server.port", i64::from(self.server.1).into()),
        ]
    }

    /// Returns the name of the server, which a span without a destination is called after.
    pub(crate) fn server(&self) -> String {
        format!("{}:{}", self.server.0, self.server.1)
    }

    pub(crate) fn published(&self, destination: &str, key: &str) -> ExpectedSpan {
        routed(self.span("publish", OperationType::Send, destination), key)
    }

    pub(crate) fn received(&self, destination: &str, key: &str, tag: i64) -> ExpectedSpan {
        let receive = self.span("receive", OperationType::Receive, destination);
        routed(receive, key).attributes([(semconv::DELIVERY_TAG, tag.into())])
    }

    pub(crate) fn processed(&self, destination: &str, key: &str, tag: i64) -> ExpectedSpan {
        let process = self.span("process", OperationType::Process, destination);
        routed(process, key).attributes([(semconv::DELIVERY_TAG, tag.into())])
    }

    pub(crate) fn settled(&self, verb: &'static str, destination: &str, tag: i64) -> ExpectedSpan {
        let settle = self.span(verb, OperationType::Settle, destination);
        settle.attributes([(semconv::DELIVERY_TAG, tag.into())])
    }
}

pub(crate) fn routed(span: ExpectedSpan, key: &str) -> ExpectedSpan {
    if key.is_empty() {
        return span;
    }
    span.attributes([(semconv::ROUTING_KEY, key.to_owned().into())])
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("otel-messaging-lapin")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url("https://opentelemetry.io/schemas/1.44.0")
        .build()
}
