//! A server in this process, and what the telemetry of this crate looks like on it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod server;

use std::time::Duration;

use opentelemetry::{InstrumentationScope, trace::SpanKind};
use otel_messaging_async_nats::{
    Client, ConnectOptions,
    otel::{Instrumentation, Propagation, builder::InstrumentationBuilder, semconv},
};
use otel_messaging_testing::{
    attributes::ExpectedValue,
    spans::{ExpectedSpan, span},
    telemetry::Telemetry,
};
use server::Server;

pub(crate) type Attribute = (&'static str, ExpectedValue);

/// A server, telemetry of its own, and a client that reports to it.
pub(crate) struct Nats {
    pub(crate) server: Server,
    pub(crate) telemetry: Telemetry,
    pub(crate) instrumentation: Instrumentation,
    pub(crate) client: Client,
}

impl Nats {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(
        choose: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
    ) -> Self {
        Self::on(Server::start().await, choose).await
    }

    pub(crate) async fn on(
        server: Server,
        choose: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
    ) -> Self {
        let telemetry = Telemetry::builder().expecting_scope(scope()).build();
        let builder = Instrumentation::builder()
            .with_tracer_provider(telemetry.tracer_provider())
            .with_meter_provider(telemetry.meter_provider())
            .with_propagator(Propagation::TraceContextAndBaggage);
        let instrumentation = choose(builder).build();
        let client = connect(&server, &instrumentation).await;
        Self { server, telemetry, instrumentation, client }
    }

    /// The attributes of every span of an operation.
    pub(crate) fn attributes(
        &self,
        operation: &'static str,
        kind: &'static str,
        subject: Option<&str>,
    ) -> Vec<Attribute> {
        let mut attributes: Vec<Attribute> = vec![
            (semconv::SYSTEM, "nats".into()),
            (semconv::OPERATION_NAME, operation.into()),
            (semconv::OPERATION_TYPE, kind.into()),
            (semconv::SERVER_ADDRESS, "127.0.0.1".into()),
            (semconv::SERVER_PORT, i64::from(self.server.port).into()),
        ];
        attributes
            .extend(subject.map(|subject| (semconv::DESTINATION_NAME, subject.to_owned().into())));
        if kind != "create" {
            attributes.push((semconv::CLIENT_ID, "1".into()));
        }
        attributes
    }

    /// A span of a send to `subject`.
    pub(crate) fn publish(&self, subject: &str) -> ExpectedSpan {
        let attributes = self.attributes("publish", "send", Some(subject));
        span(format!("publish {subject}")).kind(SpanKind::Producer).attributes(attributes)
    }

    /// The span of receiving a message of `subject`.
    pub(crate) fn receive(&self, subject: &str) -> ExpectedSpan {
        let attributes = self.attributes("receive", "receive", Some(subject));
        span(format!("receive {subject}")).kind(SpanKind::Client).attributes(attributes)
    }

    /// The span of processing a message of `subject`.
    pub(crate) fn process(&self, subject: &str) -> ExpectedSpan {
        let attributes = self.attributes("process", "process", Some(subject));
        span(format!("process {subject}")).kind(SpanKind::Consumer).attributes(attributes)
    }
}

pub(crate) async fn connect(server: &Server, instrumentation: &Instrumentation) -> Client {
    let options = ConnectOptions::new().reconnect_delay_callback(|_| Duration::ZERO);
    let client =
        Client::connect(format!("127.0.0.1:{}", server.port), options, instrumentation).await;
    client.expect("the client connects")
}

pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("otel-messaging-async-nats")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url("https://opentelemetry.io/schemas/1.44.0")
        .build()
}

/// The `id`-th context of a foreign publisher.
pub(crate) fn foreign(id: u8) -> String {
    format!("00-0af7651916cd43dd8448eb21{id:08x}-b7ad6b71{id:08x}-01")
}

/// Longer than anything on loopback takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
