//! What telemetry says of a connection, as fresh as the connection.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock, atomic::Ordering},
};

use ::async_nats::{Client, ServerInfo, Statistics};
use opentelemetry::KeyValue;
use otel_messaging_core::{Clock, Destination, Endpoint, Instrumentation, Operation, Received};

use crate::{
    message::{Delivered, Readable},
    semconv,
};

/// A connection as a client, a subscription or a consumer uses it.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    statistics: Arc<Statistics>,
    instrumentation: Instrumentation,
    facts: Arc<Facts>,
    enabled: bool,
    current: RwLock<Current>,
}

/// What does not change with the server. Messages share it, and keep no connection alive by it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The server as the application named it, if it did.
    pub(crate) address: Option<(String, u16)>,
    /// Whether header names are written as Go writes them.
    pub(crate) canonical: bool,
    pub(crate) group: Option<String>,
    pub(crate) stream: Option<String>,
    /// The subject that messages are subscribed to by, if it has wildcards.
    pub(crate) template: Option<String>,
    /// What the client's inboxes start with.
    pub(crate) inboxes: String,
}

/// What the server said when it was asked last.
#[derive(Debug)]
struct Current {
    connects: u64,
    info: ServerInfo,
    endpoint: Endpoint,
}

impl Connection {
    pub(crate) fn new(
        client: &Client,
        instrumentation: &Instrumentation,
        mut facts: Facts,
    ) -> Arc<Self> {
        let statistics = client.statistics();
        let connects = statistics.connects.load(Ordering::Relaxed);
        let info = client.server_info();
        let endpoint = describe(&info, &facts, instrumentation);
        let mut inbox = client.new_inbox();
        inbox.truncate(inbox.rfind('.').map_or(inbox.len(), |dot| dot + 1));
        facts.inboxes = inbox;
        Arc::new(Self {
            client: client.clone(),
            statistics,
            instrumentation: instrumentation.clone(),
            facts: Arc::new(facts),
            enabled: endpoint.is_enabled(),
            current: RwLock::new(Current { connects, info, endpoint }),
        })
    }

    /// The same connection with other facts.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Facts)) -> Arc<Self> {
        let mut facts = Facts::clone(&self.facts);
        change(&mut facts);
        Self::new(&self.client, &self.instrumentation, facts)
    }

    /// As a subscription or a consumer of `stream` uses it. What has wildcards is the template of
    /// its messages' subjects, unless it is an inbox, which nobody will ever see again.
    pub(crate) fn receiving(
        &self,
        subject: &str,
        group: Option<String>,
        stream: Option<String>,
    ) -> Arc<Self> {
        self.with(|facts| {
            let is_pattern = subject.split('.').any(|token| matches!(token, "*" | ">"));
            let is_template = is_pattern && !facts.is_temporary(subject);
            facts.template = is_template.then(|| subject.to_owned());
            (facts.group, facts.stream) = (group, stream);
        })
    }

    /// Where its operations start. The server is asked again only after a reconnect.
    pub(crate) fn endpoint(&self) -> Endpoint {
        if !self.enabled {
            return Endpoint::disabled();
        }
        let connects = self.statistics.connects.load(Ordering::Relaxed);
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if current.connects == connects {
            return current.endpoint.clone();
        }
        let info = self.client.server_info();
        // The client counts a connection before it tells of its server.
        if info == current.info {
            return current.endpoint.clone();
        }
        drop(current);
        let endpoint = describe(&info, &self.facts, &self.instrumentation);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Current { connects, info, endpoint };
        current.endpoint.clone()
    }

    /// A message was handed to the application: it has its receive span, unless it is but the
    /// server's status.
    pub(crate) fn receive<M: Readable>(
        &self,
        operation: Operation,
        clock: Clock,
        message: M,
    ) -> Received<Delivered<M>> {
        let endpoint = self.endpoint_for(&message);
        endpoint.receive(operation, clock, Delivered::new(message, Arc::clone(&self.facts)))
    }

    /// The same for a message of a batch, of which nobody is told yet.
    pub(crate) fn hold<M: Readable>(&self, message: M) -> Received<Delivered<M>> {
        let endpoint = self.endpoint_for(&message);
        endpoint.hold(Delivered::new(message, Arc::clone(&self.facts)))
    }

    fn endpoint_for(&self, message: &impl Readable) -> Endpoint {
        if message.is_status() { Endpoint::disabled() } else { self.endpoint() }
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) fn max_payload(&self) -> usize {
        self.client.max_payload()
    }
}

impl Facts {
    pub(crate) fn destination<'a>(&'a self, subject: &'a str) -> Destination<'a> {
        let mut destination = Destination::new(subject);
        if let Some(template) = &self.template {
            destination = destination.with_template(template);
        }
        if self.is_temporary(subject) { destination.temporary() } else { destination }
    }

    /// Whether a subject goes away with its user: an inbox, or what a message is acknowledged by.
    fn is_temporary(&self, subject: &str) -> bool {
        ["_INBOX", "$JS.ACK.", &self.inboxes].iter().any(|prefix| subject.starts_with(prefix))
    }
}

fn describe(info: &ServerInfo, facts: &Facts, instrumentation: &Instrumentation) -> Endpoint {
    let mut builder = Endpoint::builder(semconv::SYSTEM);
    // A server listens on every address by default, which says nothing of where it is.
    let is_anywhere = info.host.parse().is_ok_and(|address: IpAddr| address.is_unspecified());
    let told = (!info.host.is_empty() && !is_anywhere).then_some((&info.host, info.port));
    let named = facts.address.as_ref().map(|(host, port)| (host, *port));
    if let Some((host, port)) = told.or(named) {
        builder = builder.server(host, Some(port));
    }
    if !info.server_id.is_empty() {
        builder = builder.client_id(&info.client_id.to_string());
    }
    if let Some(group) = &facts.group {
        builder = builder.consumer_group(group);
    }
    if let Some(stream) = &facts.stream {
        builder = builder.attribute(KeyValue::new(semconv::STREAM, stream.clone()));
    }
    builder.build(instrumentation)
}
