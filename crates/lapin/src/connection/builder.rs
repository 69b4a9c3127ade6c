//! Connections by parts.

use async_rs::{Runtime, traits::RuntimeKit};
use lapin::{ConnectionProperties, Result, runtime, tcp::OwnedTLSConfig, uri::AMQPUri};
use otel_messaging_core::Instrumentation;

use super::{Connection, Server};

/// [`lapin::ConnectionBuilder`], which makes an instrumented connection.
#[derive(Debug)]
#[must_use = "a builder does nothing until `connect` is called"]
pub struct ConnectionBuilder<RK: RuntimeKit + Send + Sync + Clone + 'static> {
    bare: lapin::ConnectionBuilder<RK>,
    server: Server,
    instrumentation: Instrumentation,
}

/// [`lapin::DefaultConnectionBuilder`], which makes an instrumented connection.
pub type DefaultConnectionBuilder = ConnectionBuilder<DefaultKit>;

/// The client does not name it.
type DefaultKit = <lapin::DefaultConnectionBuilder as Builder>::Kit;

/// Says what runtime a builder of the client's is for.
#[doc(hidden)]
pub trait Builder {
    type Kit;
}

impl<RK: RuntimeKit + Send + Sync + Clone + 'static> Builder for lapin::ConnectionBuilder<RK> {
    type Kit = RK;
}

impl DefaultConnectionBuilder {
    /// [`lapin::DefaultConnectionBuilder::new`].
    ///
    /// # Errors
    /// Those of the client.
    pub fn new() -> Result<Self> {
        Ok(Self::new_with_runtime(runtime::default_runtime()?))
    }
}

impl<RK: RuntimeKit + Send + Sync + Clone + 'static> ConnectionBuilder<RK> {
    /// [`lapin::ConnectionBuilder::new_with_runtime`].
    pub fn new_with_runtime(runtime: Runtime<RK>) -> Self {
        let bare = lapin::ConnectionBuilder::new_with_runtime(runtime);
        let instrumentation = Instrumentation::default();
        Self { bare, server: Server::default(), instrumentation }
    }

    /// Has the connection work as `instrumentation` says, instead of the default one.
    pub fn with_instrumentation(mut self, instrumentation: &Instrumentation) -> Self {
        self.instrumentation = instrumentation.clone();
        self
    }

    /// [`lapin::ConnectionBuilder::with_uri`].
    pub fn with_uri(mut self, uri: AMQPUri) -> Self {
        self.server = Server::from(&uri);
        self.bare = self.bare.with_uri(uri);
        self
    }

    /// [`lapin::ConnectionBuilder::with_uri_str`].
    pub fn with_uri_str(mut self, uri: String) -> Self {
        self.server = Server::from(&uri.as_str());
        self.bare = self.bare.with_uri_str(uri);
        self
    }

    /// [`lapin::ConnectionBuilder::with_properties`].
    pub fn with_properties(mut self, properties: ConnectionProperties) -> Self {
        self.bare = self.bare.with_properties(properties);
        self
    }

    /// [`lapin::ConnectionBuilder::with_tls_config`].
    pub fn with_tls_config(mut self, config: OwnedTLSConfig) -> Self {
        self.bare = self.bare.with_tls_config(config);
        self
    }

    /// [`lapin::ConnectionBuilder::connect`].
    ///
    /// # Errors
    /// Those of the client.
    pub async fn connect(&self) -> Result<Connection> {
        let connection = self.bare.connect().await?;
        Ok(Connection::of(connection, &self.server, &self.instrumentation))
    }
}
