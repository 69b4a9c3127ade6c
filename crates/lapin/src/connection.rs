//! Connections, and what their channels share.

mod builder;
mod server;

use std::sync::Arc;

use async_rs::{Runtime, traits::RuntimeKit};
use lapin::{
    Configuration, ConnectionProperties, Result, runtime, tcp::OwnedTLSConfig, uri::AMQPUri,
};
use otel_messaging_core::{Endpoint, Instrumentation};

pub use self::builder::{ConnectionBuilder, DefaultConnectionBuilder};
pub(crate) use self::server::Server;
use crate::{Channel, destination::Queues, semconv, wrapper::wrapper};

/// [`lapin::Connection`], instrumented; it dereferences to it for what has no telemetry.
///
/// The connect functions are the client's and use the default instrumentation. For another, connect
/// with the client's own and wrap the connection:
///
/// ```no_run
/// use otel_messaging_lapin::{Connection, ConnectionProperties, bare, otel::Instrumentation};
///
/// # async fn connect(instrumentation: Instrumentation) -> bare::Result<()> {
/// let uri = "amqp://orders.example/%2f";
/// let connection = bare::Connection::connect(uri, ConnectionProperties::default()).await?;
/// let connection = Connection::new(connection, uri, &instrumentation);
/// # Ok(())
/// # }
/// ```
///
/// The server's address is what the URI says: the client does not tell where it is connected.
pub struct Connection {
    bare: lapin::Connection,
    shared: Arc<Shared>,
}

wrapper!(Connection, lapin::Connection);

impl Connection {
    /// [`lapin::Connection::connect`].
    ///
    /// # Errors
    /// Those of the client.
    pub async fn connect(uri: &str, options: ConnectionProperties) -> Result<Self> {
        Connect::connect(uri, options).await
    }

    /// [`lapin::Connection::connect_with_runtime`].
    ///
    /// # Errors
    /// Those of the client.
    pub async fn connect_with_runtime<RK: RuntimeKit + Send + Sync + Clone + 'static>(
        uri: &str,
        options: ConnectionProperties,
        runtime: Runtime<RK>,
    ) -> Result<Self> {
        uri.connect_with_config(options, OwnedTLSConfig::default(), runtime).await
    }

    /// [`lapin::Connection::connect_with_config`].
    ///
    /// # Errors
    /// Those of the client.
    pub async fn connect_with_config<RK: RuntimeKit + Send + Sync + Clone + 'static>(
        uri: &str,
        options: ConnectionProperties,
        config: OwnedTLSConfig,
        runtime: Runtime<RK>,
    ) -> Result<Self> {
        uri.connect_with_config(options, config, runtime).await
    }

    /// [`lapin::Connection::connect_uri`].
    ///
    /// # Errors
    /// Those of the client.
    pub async fn connect_uri(uri: AMQPUri, options: ConnectionProperties) -> Result<Self> {
        Connect::connect(uri, options).await
    }

    /// [`lapin::Connection::connect_uri_with_runtime`].
    ///
    /// # Errors
    /// Those of the client.
    pub async fn connect_uri_with_runtime<RK: RuntimeKit + Send + Sync + Clone + 'static>(
        uri: AMQPUri,
        options: ConnectionProperties,
        runtime: Runtime<RK>,
    ) -> Result<Self> {
        uri.connect_with_config(options, OwnedTLSConfig::default(), runtime).await
    }

    /// [`lapin::Connection::connect_uri_with_config`].
    ///
    /// # Errors
    /// Those of the client.
    pub async fn connect_uri_with_config<RK: RuntimeKit + Send + Sync + Clone + 'static>(
        uri: AMQPUri,
        options: ConnectionProperties,
        config: OwnedTLSConfig,
        runtime: Runtime<RK>,
    ) -> Result<Self> {
        uri.connect_with_config(options, config, runtime).await
    }

    /// Wraps a connection that works as `instrumentation` says. `server` names the server, as the
    /// URI that was connected to or as `host:port`; its credentials are not looked at.
    pub fn new(
        connection: lapin::Connection,
        server: &str,
        instrumentation: &Instrumentation,
    ) -> Self {
        Self::of(connection, &Server::from(&server), instrumentation)
    }

    fn of(
        connection: lapin::Connection,
        server: &Server,
        instrumentation: &Instrumentation,
    ) -> Self {
        let shared = Shared::new(connection.configuration(), server, instrumentation);
        Self { bare: connection, shared: Arc::new(shared) }
    }

    /// [`lapin::Connection::create_channel`].
    ///
    /// # Errors
    /// Those of the client.
    pub async fn create_channel(&self) -> Result<Channel> {
        let channel = self.bare.create_channel().await?;
        Ok(Channel::of(channel, Arc::clone(&self.shared)))
    }

    /// [`lapin::Connection::run`].
    ///
    /// # Errors
    /// Those of the client.
    pub fn run(self) -> Result<()> {
        self.bare.run()
    }
}

/// What the channels of a connection have in common.
pub(crate) struct Shared {
    pub(crate) endpoint: Endpoint,
    pub(crate) configuration: Configuration,
    pub(crate) queues: Queues,
}

impl Shared {
    pub(crate) fn new(
        configuration: &Configuration,
        server: &Server,
        instrumentation: &Instrumentation,
    ) -> Self {
        let mut endpoint = Endpoint::builder(semconv::SYSTEM);
        if !server.address.is_empty() {
            endpoint = endpoint.server(&server.address, Some(server.port));
        }
        Self {
            endpoint: endpoint.build(instrumentation),
            configuration: configuration.clone(),
            queues: Queues::default(),
        }
    }
}

/// [`lapin::Connect`], which makes an instrumented connection.
pub trait Connect: Sized {
    /// [`lapin::Connect::connect`].
    ///
    /// # Errors
    /// Those of the client.
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

    /// [`lapin::Connect::connect_with_config`].
    ///
    /// # Errors
    /// Those of the client.
    fn connect_with_config<RK: RuntimeKit + Send + Sync + Clone + 'static>(
        self,
        options: ConnectionProperties,
        config: OwnedTLSConfig,
        runtime: Runtime<RK>,
    ) -> impl Future<Output = Result<Connection>> + Send;
}

/// What the client connects to says which server that is.
impl<U> Connect for U
where
    U: lapin::Connect + Send,
    Server: for<'a> From<&'a U>,
{
    async fn connect_with_config<RK: RuntimeKit + Send + Sync + Clone + 'static>(
        self,
        options: ConnectionProperties,
        config: OwnedTLSConfig,
        runtime: Runtime<RK>,
    ) -> Result<Connection> {
        let server = Server::from(&self);
        let connection = lapin::Connect::connect_with_config(self, options, config, runtime);
        Ok(Connection::of(connection.await?, &server, &Instrumentation::default()))
    }
}
