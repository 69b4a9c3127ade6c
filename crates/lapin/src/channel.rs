//! Channels, on which everything happens: see `producer`, `consumer` and `settle` for what it is.

use std::sync::Arc;

use lapin::{
    Queue, Result,
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::{FieldTable, MessageCount, ShortString},
};
use otel_messaging_core::{Instrumentation, Instrumenter, client::wrapper};

use crate::{
    destination::{Name, Names},
    origin::Origin,
    outgoing::{Outgoing, Publish},
    server::Server,
    settled::Unsettled,
    shared::Shared,
};

/// Instrumented [`lapin::Channel`]; it dereferences to the client's own for what is not
/// instrumented. Cheap to clone.
///
/// [`Connection::create_channel`](crate::Connection::create_channel) makes it. A channel that you
/// have is wrapped by [`Connection::wrap_channel`](crate::Connection::wrap_channel) if its
/// connection is wrapped. A channel alone does not tell its server nor the size of its frames:
///
/// ```no_run
/// use otel_messaging_lapin::{Channel, bare, otel::Instrumentation};
///
/// # async fn wrap(pooled: &bare::Connection, instrumentation: &Instrumentation) -> bare::Result<()> {
/// // The default instrumentation.
/// let channel = Channel::from(pooled.create_channel().await?);
/// // This instrumentation.
/// let channel = Channel::wrap(pooled.create_channel().await?, instrumentation);
/// // The same, and the spans say which server it is.
/// let uri = "amqp://orders.example/%2f";
/// let channel = Channel::wrap_of(pooled, uri, pooled.create_channel().await?, instrumentation);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Channel {
    bare: lapin::Channel,
    connection: Arc<Shared>,
    published: Arc<Names>,
    unsettled: Arc<Unsettled>,
}

wrapper!(Channel: lapin::Channel);

impl Channel {
    /// Wraps a channel whose connection is not known.
    ///
    /// Spans and metrics do not name the server. A context is written only where the headers fit
    /// the smallest frame that AMQP allows, 4096 bytes, as a larger one would close the connection.
    pub fn wrap(channel: lapin::Channel, instrumentation: &Instrumentation) -> Self {
        Self::of(channel, Arc::new(Shared::new(None, None, instrumentation)))
    }

    /// Wraps a channel of a connection that is not wrapped, such as one of a pool's. `uri` names the
    /// server: the URI that was connected to, or `host:port`.
    ///
    /// Wrap channels that are used for long: each has an instrumenter of its own.
    pub fn wrap_of(
        connection: &lapin::Connection,
        uri: &str,
        channel: lapin::Channel,
        instrumentation: &Instrumentation,
    ) -> Self {
        let (configuration, server) = (Some(connection.configuration()), Server::of(uri));
        let connection = Shared::new(configuration, server.as_ref(), instrumentation);
        Self::of(channel, Arc::new(connection))
    }

    pub(crate) fn of(channel: lapin::Channel, connection: Arc<Shared>) -> Self {
        Self { bare: channel, connection, published: Arc::default(), unsettled: Arc::default() }
    }

    /// Returns the instrumenter, to restore work that was stored, or to wrap the deliveries of a
    /// delegate by [`Delivery::from_bare`](crate::message::Delivery::from_bare).
    pub fn instrumenter(&self) -> &Instrumenter {
        &self.connection.instrumenter
    }

    /// Declares a queue as [`lapin::Channel::queue_declare`] does, and remembers if it is temporary:
    /// exclusive, or deleted with its last consumer.
    ///
    /// Cancel safety: dropped while the broker's answer is awaited, the queue may be there
    /// nevertheless, and is not known as temporary. Errors are the client's own.
    pub async fn queue_declare(
        &self,
        queue: ShortString,
        options: QueueDeclareOptions,
        arguments: FieldTable,
    ) -> Result<Queue> {
        let queue = self.bare.queue_declare(queue, options, arguments).await?;
        if self.instrumenter().is_enabled() && (options.exclusive || options.auto_delete) {
            self.connection.queues.declared(queue.name());
        }
        Ok(queue)
    }

    /// Deletes a queue as [`lapin::Channel::queue_delete`] does, and forgets that it was temporary.
    ///
    /// Cancel safety: dropped while the broker's answer is awaited, the queue may be gone
    /// nevertheless. Errors are the client's own.
    pub async fn queue_delete(
        &self,
        queue: ShortString,
        options: QueueDeleteOptions,
    ) -> Result<MessageCount> {
        if self.instrumenter().is_enabled() {
            self.connection.queues.deleted(queue.as_str());
        }
        self.bare.queue_delete(queue, options).await
    }

    pub(crate) fn outgoing<'p>(&self, publish: Publish<'p>) -> Outgoing<'p, '_> {
        let connection = &*self.connection;
        let name = if connection.instrumenter.is_enabled() {
            let (exchange, routing_key) = (&publish.exchange, &publish.routing_key);
            let queues = &connection.queues;
            self.published.published(exchange.as_str(), routing_key.as_str(), queues)
        } else {
            Name::default()
        };
        Outgoing { publish, name, connection }
    }

    pub(crate) fn origin(&self, queue: ShortString, no_ack: bool) -> Origin {
        let mut origin = Origin::new(self.instrumenter().clone(), queue);
        origin.temporary = origin.instrumenter.is_enabled()
            && self.connection.queues.are_temporary(origin.queue.as_str());
        origin.no_ack = no_ack;
        origin.unsettled = Some(Arc::clone(&self.unsettled));
        origin
    }

    pub(crate) fn unsettled(&self) -> &Unsettled {
        &self.unsettled
    }
}

/// Wraps a channel with the default instrumentation, as [`Channel::wrap`] does.
impl From<lapin::Channel> for Channel {
    fn from(channel: lapin::Channel) -> Self {
        Self::wrap(channel, &Instrumentation::default())
    }
}

impl PartialEq for Channel {
    fn eq(&self, other: &Self) -> bool {
        self.bare == other.bare
    }
}
