//! Connections, and what their channels share.

mod builder;

use std::sync::Arc;

use async_rs::{Runtime, traits::RuntimeKit};
use lapin::{ConnectionProperties, Result, runtime, tcp::OwnedTLSConfig, uri::AMQPUri};
use otel_messaging_core::{Instrumentation, client::wrapper};

pub use self::builder::{ConnectionBuilder, DefaultConnectionBuilder};
use crate::{Channel, server::Server, shared::Shared};

/// Instrumented [`lapin::Connection`]; it dereferences to the client's own for what is not
/// instrumented.
///
/// The connect functions are the client's and use the default instrumentation. A connection that
/// you have is wrapped:
///
/// ```no_run
/// use otel_messaging_lapin::{Connection, ConnectionProperties, bare, otel::Instrumentation};
///
/// # async fn connect(instrumentation: &Instrumentation) -> bare::Result<()> {
/// let uri = "amqp://orders.example/%2f";
/// let connect = || bare::Connection::connect(uri, ConnectionProperties::default());
/// // This instrumentation, and the spans say which server it is.
/// let connection = Connection::wrap(connect().await?, uri, instrumentation);
/// // The default instrumentation, and they do not.
/// let connection = Connection::from(connect().await?);
/// # Ok(())
/// # }
/// ```
///
/// The server's address is that of the URI, as the client does not tell where it is connected.
pub struct Connection {
    bare: lapin::Connection,
    shared: Arc<Shared>,
}

wrapper!(Connection: lapin::Connection);

impl Connection {
    /// Connects as [`lapin::Connection::connect`] does.
    ///
    /// Cancel safety: dropped, there is no connection. Errors are the client's own.
    pub async fn connect(uri: &str, options: ConnectionProperties) -> Result<Self> {
        Connect::connect(uri, options).await
    }

    /// Connects as [`lapin::Connection::connect_with_runtime`] does.
    ///
    /// Cancel safety: dropped, there is no connection. Errors are the client's own.
    pub async fn connect_with_runtime<RK: RuntimeKit + Send + Sync + Clone + 'static>(
        uri: &str,
        options: ConnectionProperties,
        runtime: Runtime<RK>,
    ) -> Result<Self> {
        uri.connect_with_config(options, OwnedTLSConfig::default(), runtime).await
    }

    /// Connects as [`lapin::Connection::connect_with_config`] does.
    ///
    /// Cancel safety: dropped, there is no connection. Errors are the client's own.
    pub async fn connect_with_config<RK: RuntimeKit + Send + Sync + Clone + 'static>(
        uri: &str,
        options: ConnectionProperties,
        config: OwnedTLSConfig,
        runtime: Runtime<RK>,
    ) -> Result<Self> {
        uri.connect_with_config(options, config, runtime).await
    }

    /// Connects as [`lapin::Connection::connect_uri`] does.
    ///
    /// Cancel safety: dropped, there is no connection. Errors are the client's own.
    pub async fn connect_uri(uri: AMQPUri, options: ConnectionProperties) -> Result<Self> {
        Connect::connect(uri, options).await
    }

    /// Connects as [`lapin::Connection::connect_uri_with_runtime`] does.
    ///
    /// Cancel safety: dropped, there is no connection. Errors are the client's own.
    pub async fn connect_uri_with_runtime<RK: RuntimeKit + Send + Sync + Clone + 'static>(
        uri: AMQPUri,
        options: ConnectionProperties,
        runtime: Runtime<RK>,
    ) -> Result<Self> {
        uri.connect_with_config(options, OwnedTLSConfig::default(), runtime).await
    }

    /// Connects as [`lapin::Connection::connect_uri_with_config`] does.
    ///
    /// Cancel safety: dropped, there is no connection. Errors are the client's own.
    pub async fn connect_uri_with_config<RK: RuntimeKit + Send + Sync + Clone + 'static>(
        uri: AMQPUri,
        options: ConnectionProperties,
        config: OwnedTLSConfig,
        runtime: Runtime<RK>,
    ) -> Result<Self> {
        uri.connect_with_config(options, config, runtime).await
    }

    /// Wraps a connection, which works as `instrumentation` says. `uri` names the server: the URI
    /// that was connected to, or `host:port`; credentials in it are not read.
    pub fn wrap(
        connection: lapin::Connection,
        uri: &str,
        instrumentation: &Instrumentation,
    ) -> Self {
        Self::of(connection, Server::of(uri).as_ref(), instrumentation)
    }

    fn of(
        connection: lapin::Connection,
        server: Option<&Server>,
        instrumentation: &Instrumentation,
    ) -> Self {
        let shared = Shared::new(Some(connection.configuration()), server, instrumentation);
        Self { bare: connection, shared: Arc::new(shared) }
    }

    /// Wraps a channel of this connection that is not wrapped.
    pub fn wrap_channel(&self, channel: lapin::Channel) -> Channel {
        Channel::of(channel, Arc::clone(&self.shared))
    }

    /// Opens a channel as [`lapin::Connection::create_channel`] does.
    ///
    /// Cancel safety: dropped, there is no channel. Errors are the client's own.
    pub async fn create_channel(&self) -> Result<Channel> {
        Ok(self.wrap_channel(self.bare.create_channel().await?))
    }

    /// Blocks until the connection is closed, as [`lapin::Connection::run`] does. Errors are the
    /// client's own.
    pub fn run(self) -> Result<()> {
        self.bare.run()
    }
}

/// Wraps a connection with the default instrumentation. Spans and metrics do not name the server, for
/// which [`Connection::wrap`] takes the URI.
impl From<lapin::Connection> for Connection {
    fn from(connection: lapin::Connection) -> Self {
        Self::of(connection, None, &Instrumentation::default())
    }
}

/// [`lapin::Connect`], which makes an instrumented connection.
pub trait Connect: Sized {
    /// Connects as [`lapin::Connect::connect`] does.
    ///
    /// Cancel safety: dropped, there is no connection. Errors are the client's own.
    fn connect(
        self,
        options: ConnectionProperties,
    ) -> impl Future<Output = Result<Connection>> + Send
    where
        Self: Send,
    {
        async {
            let (config, runtime) = (OwnedTLSConfig::default(), runtime::default_runtime()?);
            self.connect_with_config(options, config, runtime).await
        }
    }

    /// Connects as [`lapin::Connect::connect_with_config`] does.
    ///
    /// Cancel safety: dropped, there is no connection. Errors are the client's own.
    fn connect_with_config<RK: RuntimeKit + Send + Sync + Clone + 'static>(
        self,
        options: ConnectionProperties,
        config: OwnedTLSConfig,
        runtime: Runtime<RK>,
    ) -> impl Future<Output = Result<Connection>> + Send;
}

impl Connect for &str {
    async fn connect_with_config<RK: RuntimeKit + Send + Sync + Clone + 'static>(
        self,
        options: ConnectionProperties,
        config: OwnedTLSConfig,
        runtime: Runtime<RK>,
    ) -> Result<Connection> {
        let connection = lapin::Connect::connect_with_config(self, options, config, runtime);
        Ok(Connection::wrap(connection.await?, self, &Instrumentation::default()))
    }
}

impl Connect for AMQPUri {
    async fn connect_with_config<RK: RuntimeKit + Send + Sync + Clone + 'static>(
        self,
        options: ConnectionProperties,
        config: OwnedTLSConfig,
        runtime: Runtime<RK>,
    ) -> Result<Connection> {
        let server = Server::from(&self);
        let connection = lapin::Connect::connect_with_config(self, options, config, runtime);
        Ok(Connection::of(connection.await?, Some(&server), &Instrumentation::default()))
    }
}
