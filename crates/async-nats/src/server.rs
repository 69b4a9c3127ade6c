//! What is known of a connection and its server.

use std::{
    borrow::Borrow as _,
    net::IpAddr,
    sync::{Arc, LazyLock, atomic::Ordering},
};

use ::async_nats::{Client, ServerInfo, Statistics};
use arc_swap::{ArcSwap, Guard};
use otel_messaging_core::{Instrumentation, Instrumenter, Operation, Received, client::Clock};

#[cfg(feature = "jetstream")]
use crate::error_type::Classify;
use crate::{
    delivered::{Delivered, Facts, NO_FACTS, Origin, Readable},
    semconv,
};

/// A connection as one client, subscription or consumer uses it. Without telemetry it is empty, and
/// nothing is looked up.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Option<Arc<State>>);

#[derive(Debug)]
struct State {
    client: Client,
    statistics: Arc<Statistics>,
    instrumentation: Instrumentation,
    facts: Arc<Facts>,
    current: ArcSwap<Current>,
}

/// The server as the client described it last.
#[derive(Debug)]
pub(crate) struct Current {
    connects: u64,
    info: ServerInfo,
    instrumenter: Instrumenter,
}

impl Connection {
    /// Describes the connection of `client`, whose server the application called `address`.
    pub(crate) fn new(
        client: &Client,
        instrumentation: &Instrumentation,
        address: Option<(String, u16)>,
    ) -> Self {
        if !is_enabled(instrumentation) {
            return Self(None);
        }
        let mut inbox = client.new_inbox();
        inbox.truncate(inbox.rfind('.').map_or(inbox.len(), |dot| dot + 1));
        Self::of(client, instrumentation, Facts { address, inboxes: Some(inbox), ..Facts::NONE })
    }

    fn of(client: &Client, instrumentation: &Instrumentation, facts: Facts) -> Self {
        let statistics = client.statistics();
        let connects = statistics.connects.load(Ordering::Relaxed);
        let info = client.server_info();
        let instrumenter = describe(&info, &facts, instrumentation);
        Self(Some(Arc::new(State {
            client: client.clone(),
            statistics,
            instrumentation: instrumentation.clone(),
            facts: Arc::new(facts),
            current: ArcSwap::from_pointee(Current { connects, info, instrumenter }),
        })))
    }

    /// Returns the same connection with other facts.
    fn with(&self, change: impl FnOnce(&mut Facts)) -> Self {
        let Some(state) = &self.0 else { return Self(None) };
        let mut facts = Facts::clone(&state.facts);
        change(&mut facts);
        Self::of(&state.client, &state.instrumentation, facts)
    }

    /// Returns the same connection, which writes header names as Go does.
    pub(crate) fn with_canonical_headers(&self) -> Self {
        self.with(|facts| facts.canonical = true)
    }

    /// Returns the connection as a subscription or a consumer of `stream` uses it. A subject with
    /// wildcards is the template of the messages' subjects, unless it is an inbox, whose name
    /// never comes again.
    pub(crate) fn receiving(
        &self,
        subject: &str,
        group: Option<&str>,
        stream: Option<&str>,
    ) -> Self {
        self.with(|facts| {
            let is_pattern = subject.split('.').any(|token| matches!(token, "*" | ">"));
            let is_template = is_pattern && !facts.is_temporary(subject);
            facts.template = is_template.then(|| subject.to_owned());
            facts.group = group.map(str::to_owned);
            facts.stream = stream.map(str::to_owned);
        })
    }

    pub(crate) const fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Calls `work` with the instrumenter of the server that the client is connected to now.
    pub(crate) fn with_instrumenter<T>(&self, work: impl FnOnce(&Instrumenter) -> T) -> T {
        match &self.0 {
            Some(state) => work(&state.current().instrumenter),
            None => work(&DISABLED),
        }
    }

    /// Starts the clock of an operation whose span is made when it is done.
    pub(crate) fn clock(&self) -> Clock {
        self.with_instrumenter(Instrumenter::clock)
    }

    /// Makes the receive span of a message that is handed to the application.
    pub(crate) fn receive<M: Readable>(
        &self,
        operation: Operation,
        clock: Clock,
        message: M,
    ) -> Received<Delivered<M>> {
        let received = self.extract(message);
        received.receive(operation, clock);
        received
    }

    /// Extracts the context of a message, which is not counted yet.
    pub(crate) fn extract<M: Readable>(&self, message: M) -> Received<Delivered<M>> {
        self.with_instrumenter(|instrumenter| self.extract_by(instrumenter, message))
    }

    #[inline]
    fn extract_by<M: Readable>(
        &self,
        instrumenter: &Instrumenter,
        message: M,
    ) -> Received<Delivered<M>> {
        let facts = self.0.as_ref().map(|state| Arc::clone(&state.facts));
        extract_by(instrumenter, message, facts)
    }

    /// Makes the failed receive span of an operation that began at `clock`.
    #[cfg(feature = "jetstream")]
    pub(crate) fn receive_failed(&self, operation: Operation, clock: Clock, error: &impl Classify) {
        if self.is_enabled() {
            self.with_instrumenter(|instrumenter| {
                instrumenter.receive_failed(operation, clock, None, error.failure());
            });
        }
    }

    /// Returns how many bytes a message may have.
    pub(crate) fn max_payload(&self) -> usize {
        self.0.as_ref().map_or(usize::MAX, |state| state.client.max_payload())
    }

    pub(crate) fn facts(&self) -> &Facts {
        self.0.as_ref().map_or(&NO_FACTS, |state| &state.facts)
    }
}

impl State {
    fn connects(&self) -> u64 {
        self.statistics.connects.load(Ordering::Relaxed)
    }

    /// Returns the server that the client is connected to now. The client is asked again only after
    /// a reconnect.
    fn current(&self) -> Guard<Arc<Current>> {
        let current = self.current.load();
        let connects = self.connects();
        if current.connects == connects {
            return current;
        }
        let info = self.client.server_info();
        // The client counts a connection before it knows the new server.
        if info == current.info {
            return current;
        }
        let instrumenter = describe(&info, &self.facts, &self.instrumentation);
        self.current.store(Arc::new(Current { connects, info, instrumenter }));
        self.current.load()
    }
}

/// A connection as one stream uses it, with the instrumenter at hand.
#[derive(Debug)]
pub(crate) struct Receiving {
    pub(crate) connection: Connection,
    /// `None` without telemetry.
    current: Option<Arc<Current>>,
}

impl Receiving {
    pub(crate) fn new(connection: Connection) -> Self {
        let current = connection.0.as_ref().map(|state| Guard::into_inner(state.current()));
        Self { connection, current }
    }

    /// Looks whether the client has connected to another server.
    pub(crate) fn refresh(&mut self) {
        if let (Some(state), Some(current)) = (&self.connection.0, &mut self.current)
            && current.connects != state.connects()
        {
            *current = Guard::into_inner(state.current());
        }
    }

    pub(crate) fn instrumenter(&self) -> &Instrumenter {
        self.current.as_ref().map_or(&DISABLED, |current| &current.instrumenter)
    }

    /// Extracts the context of a message, which is not counted yet.
    #[inline]
    pub(crate) fn extract<M: Readable>(&self, message: M) -> Received<Delivered<M>> {
        self.connection.extract_by(self.instrumenter(), message)
    }
}

static DISABLED: Instrumenter = Instrumenter::disabled();

/// Extracts the context of a message whose connection is not known, by the default instrumentation.
pub(crate) fn extract<M: Readable>(message: M) -> Received<Delivered<M>> {
    static DEFAULT: LazyLock<Instrumenter> =
        LazyLock::new(|| Instrumenter::builder(semconv::SYSTEM).build(&Instrumentation::default()));
    extract_by(&DEFAULT, message, None)
}

/// Extracts the context of a message by `instrumenter`. `facts` are those of its connection.
///
/// The message is moved last, and only once: it is large.
pub(crate) fn extract_by<M: Readable>(
    instrumenter: &Instrumenter,
    bare: M,
    facts: Option<Arc<Facts>>,
) -> Received<Delivered<M>> {
    // A status of the server is handed over as messages are, and has no telemetry.
    let instrumenter = if bare.is_status() { &DISABLED } else { instrumenter };
    let origin = Origin(facts);
    let context = instrumenter.extract(Delivered::new(&bare, origin.borrow())).map(|_| ());
    context.map(|()| Delivered::new(bare, origin))
}

/// Returns whether there is any telemetry: if not, facts need not be gathered.
pub(crate) fn is_enabled(instrumentation: &Instrumentation) -> bool {
    Instrumenter::builder(semconv::SYSTEM).build(instrumentation).is_enabled()
}

fn describe(info: &ServerInfo, facts: &Facts, instrumentation: &Instrumentation) -> Instrumenter {
    let mut builder = Instrumenter::builder(semconv::SYSTEM);
    // By default a server listens on every address, which does not say where it is.
    let is_anywhere = info.host.parse().is_ok_and(|address: IpAddr| address.is_unspecified());
    let advertised = (!info.host.is_empty() && !is_anywhere).then_some((&info.host, info.port));
    let named = facts.address.as_ref().map(|(host, port)| (host, *port));
    if let Some((host, port)) = advertised.or(named) {
        builder = builder.server(host, Some(port));
    }
    if !info.server_id.is_empty() {
        builder = builder.client_id(&info.client_id.to_string());
    }
    if let Some(group) = &facts.group {
        builder = builder.consumer_group(group);
    }
    if let Some(stream) = &facts.stream {
        builder = builder.attribute(semconv::STREAM, stream).fallback_destination(stream);
    }
    builder.build(instrumentation)
}
