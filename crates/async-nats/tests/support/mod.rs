//! A server in this process, and the telemetry that this crate should record on it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod server;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::FutureExt as _;
use opentelemetry::{InstrumentationScope, trace::SpanKind};
use otel_messaging_async_nats::{
    Client, ConnectOptions,
    connection::State,
    otel::{Instrumentation, InstrumentationBuilder, semconv},
};
use otel_messaging_testing::{
    attributes::ExpectedValue,
    spans::{ExpectedSpan, span},
    telemetry::Telemetry,
};
use server::{Info, Server, until};

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
        let instrumentation = choose(telemetry.instrumentation()).build();
        let client = connect(&server, &instrumentation).await;
        Self { server, telemetry, instrumentation, client }
    }

    /// A client whose queue is full for good: its server is gone.
    pub(crate) async fn stalled() -> Self {
        let nats = Self::new().await;
        let client = stalled(&nats.server, &nats.instrumentation).await;
        Self { client, ..nats }
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

    /// The labels of every counter of an operation on `subject`.
    pub(crate) fn metric_labels(&self, operation: &'static str, subject: &str) -> Vec<Attribute> {
        let mut labels = self.attributes(operation, "", Some(subject));
        labels.retain(|(key, _)| ![semconv::CLIENT_ID, semconv::OPERATION_TYPE].contains(key));
        labels
    }

    /// The span of publishing to `subject`.
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

/// Connects to a server that calls itself `server`, cuts the client off for good, and fills its
/// queue.
pub(crate) async fn stalled(server: &Server, instrumentation: &Instrumentation) -> Client {
    let server = Server::telling(Info { port: Some(server.port), ..Info::DEFAULT }).await;
    let is_connected = AtomicBool::new(false);
    let delay = move |_| {
        let is_first = !is_connected.swap(true, Ordering::Relaxed);
        if is_first { Duration::ZERO } else { Duration::from_secs(3600) }
    };
    let options = ConnectOptions::new().client_capacity(1).reconnect_delay_callback(delay);
    let client = Client::connect(format!("127.0.0.1:{}", server.port), options, instrumentation);
    let client = client.await.expect("the client connects");
    server.cut();
    until(|| (client.connection_state() != State::Connected).then_some(())).await;
    while client.get_ref().publish("filler", "".into()).now_or_never().is_some() {}
    client
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
