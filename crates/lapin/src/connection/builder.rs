//! Connections by parts.

use async_rs::{Runtime, traits::RuntimeKit};
use lapin::{ConnectionProperties, Result, runtime, tcp::OwnedTLSConfig, uri::AMQPUri};
use otel_messaging_core::Instrumentation;

use super::{Connection, Server};

/// Builds an instrumented connection, as [`lapin::ConnectionBuilder`] does.
#[derive(Debug)]
#[must_use = "a builder does nothing until `connect` is called"]
pub struct ConnectionBuilder<RK: RuntimeKit + Send + Sync + Clone + 'static> {
    bare: lapin::ConnectionBuilder<RK>,
    server: Option<Server>,
    instrumentation: Instrumentation,
}

/// Builds an instrumented connection on the client's default runtime.
pub type DefaultConnectionBuilder = ConnectionBuilder<DefaultKit>;

/// The client's default runtime, which it does not name.
type DefaultKit = <lapin::DefaultConnectionBuilder as Builder>::Kit;

/// Names the runtime of the client's builder.
#[doc(hidden)]
#[expect(unnameable_types, reason = "users write `DefaultConnectionBuilder`")]
pub trait Builder {
    type Kit;
}

impl<RK: RuntimeKit + Send + Sync + Clone + 'static> Builder for lapin::ConnectionBuilder<RK> {
    type Kit = RK;
}

impl DefaultConnectionBuilder {
    /// Makes a builder, as [`lapin::DefaultConnectionBuilder::new`] does. Errors are the client's
    /// own.
    pub fn new() -> Result<Self> {
        Ok(Self::new_with_runtime(runtime::default_runtime()?))
    }
}

impl<RK: RuntimeKit + Send + Sync + Clone + 'static> ConnectionBuilder<RK> {
    /// Makes a builder, as [`lapin::ConnectionBuilder::new_with_runtime`] does.
    pub fn new_with_runtime(runtime: Runtime<RK>) -> Self {
        let bare = lapin::ConnectionBuilder::new_with_runtime(runtime);
        Self { bare, server: None, instrumentation: Instrumentation::default() }
    }

    /// Sets the instrumentation. Default: [`Instrumentation::default`].
    pub fn with_instrumentation(mut self, instrumentation: &Instrumentation) -> Self {
        self.instrumentation = instrumentation.clone();
        self
    }

    /// Sets the URI, as [`lapin::ConnectionBuilder::with_uri`] does.
    pub fn with_uri(mut self, uri: AMQPUri) -> Self {
        self.server = Some(Server::from(&uri));
        self.bare = self.bare.with_uri(uri);
        self
    }

    /// Sets the URI, as [`lapin::ConnectionBuilder::with_uri_str`] does.
    pub fn with_uri_str(mut self, uri: String) -> Self {
        self.server = Server::of(&uri);
        self.bare = self.bare.with_uri_str(uri);
        self
    }

    /// Sets the properties, as [`lapin::ConnectionBuilder::with_properties`] does.
    pub fn with_properties(mut self, properties: ConnectionProperties) -> Self {
        self.bare = self.bare.with_properties(properties);
        self
    }

    /// Sets the TLS configuration, as [`lapin::ConnectionBuilder::with_tls_config`] does.
    pub fn with_tls_config(mut self, config: OwnedTLSConfig) -> Self {
        self.bare = self.bare.with_tls_config(config);
        self
    }

    /// Connects, as [`lapin::ConnectionBuilder::connect`] does.
    ///
    /// Cancel safety: dropped, there is no connection. Errors are the client's own.
    pub async fn connect(&self) -> Result<Connection> {
        let connection = self.bare.connect().await?;
        Ok(Connection::of(connection, self.server.as_ref(), &self.instrumentation))
    }
}
