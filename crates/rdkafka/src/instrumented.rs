//! The wrapper of all producers and consumers.

use std::{fmt, sync::Arc};

use otel_messaging_core::{Instrumentation, Instrumenter};
use rdkafka::{
    ClientConfig, ClientContext, config::FromClientConfigAndContext, error::KafkaResult,
};

/// A producer or consumer of [`rdkafka`], instrumented.
///
/// Each has an alias under the client's own name, such as
/// [`FutureProducer`](crate::producer::FutureProducer). It implements the client's traits
/// [`Producer`](rdkafka::producer::Producer) and [`Consumer`](rdkafka::consumer::Consumer) wherever
/// the client's own does, and is made in one of these ways:
///
/// - `config.create()` and `config.create_with_context(context)`, as the client's own, with the
///   default instrumentation;
/// - [`create`](Self::create), with another instrumentation;
/// - `From` or [`wrap`](Self::wrap), from an existing client.
///
/// It does not dereference to the client's own, which [`get_ref`](Self::get_ref) returns.
///
/// ```
/// use otel_messaging_rdkafka as rdkafka;
/// use rdkafka::{ClientConfig, bare, otel::Instrumentation, producer::FutureProducer};
///
/// # fn main() -> rdkafka::error::KafkaResult<()> {
/// let existing: bare::producer::FutureProducer = ClientConfig::new().create()?;
/// let instrumentation = Instrumentation::builder().with_metrics(false).build();
/// let producer = FutureProducer::wrap(existing, &instrumentation);
/// # Ok(())
/// # }
/// ```
#[must_use = "the client stops when it is dropped"]
pub struct Instrumented<K> {
    /// Shared with clones of a producer, and with the partition queues of a consumer.
    pub(crate) client: Arc<K>,
    pub(crate) instrumenter: Instrumenter,
    /// The client's `message.max.bytes`.
    pub(crate) size_limit: usize,
}

impl<K: KafkaClient> Instrumented<K> {
    /// Makes a client that works as `instrumentation` says.
    ///
    /// # Errors
    /// Returns the error of the client's own constructor.
    pub fn create(
        config: &ClientConfig,
        context: K::Context,
        instrumentation: &Instrumentation,
    ) -> KafkaResult<Self> {
        Ok(Self::wrap(K::create_bare(config, context, instrumentation)?, instrumentation))
    }

    /// Wraps an existing client, which works as `instrumentation` says.
    ///
    /// A `BaseProducer` or `ThreadedProducer` needs an
    /// [`InstrumentedContext`](crate::producer::InstrumentedContext), which only
    /// [`create`](Self::create) and `config.create()` give it.
    pub fn wrap(client: K, instrumentation: &Instrumentation) -> Self {
        let instrumenter = client.instrumenter(instrumentation);
        let size_limit = if instrumenter.is_enabled() { client.size_limit() } else { usize::MAX };
        Self { client: Arc::new(client), instrumenter, size_limit }
    }
}

impl<K> Instrumented<K> {
    /// Returns the instrumenter, which
    /// [`BorrowedMessage::from_bare`](crate::message::BorrowedMessage::from_bare) takes.
    pub const fn instrumenter(&self) -> &Instrumenter {
        &self.instrumenter
    }

    /// Returns the client's own. What is sent or received through it is not instrumented.
    pub fn get_ref(&self) -> &K {
        &self.client
    }

    /// Returns the client's own, which may be shared with clones of a producer or with partition
    /// queues of a consumer.
    pub fn into_inner(self) -> Arc<K> {
        self.client
    }
}

/// Wraps a client with the default instrumentation.
impl<K: KafkaClient> From<K> for Instrumented<K> {
    fn from(client: K) -> Self {
        Self::wrap(client, &Instrumentation::default())
    }
}

impl<K: KafkaClient> FromClientConfigAndContext<K::Context> for Instrumented<K> {
    fn from_config_and_context(config: &ClientConfig, context: K::Context) -> KafkaResult<Self> {
        Self::create(config, context, &Instrumentation::default())
    }
}

/// Clones a producer whose own type can be cloned. Both share one client.
impl<K: Clone> Clone for Instrumented<K> {
    fn clone(&self) -> Self {
        Self {
            client: Arc::clone(&self.client),
            instrumenter: self.instrumenter.clone(),
            size_limit: self.size_limit,
        }
    }
}

impl<K> fmt::Debug for Instrumented<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instrumented").finish_non_exhaustive()
    }
}

/// A producer or consumer of [`rdkafka`] that [`Instrumented`] wraps. This crate implements it for
/// all five; it is not meant to be implemented elsewhere.
pub trait KafkaClient: Sized {
    /// The context that the application gives to the client.
    type Context: ClientContext;

    #[doc(hidden)]
    fn create_bare(
        config: &ClientConfig,
        context: Self::Context,
        instrumentation: &Instrumentation,
    ) -> KafkaResult<Self>;

    #[doc(hidden)]
    fn instrumenter(&self, instrumentation: &Instrumentation) -> Instrumenter;

    /// Returns `message.max.bytes` of a producer.
    #[doc(hidden)]
    fn size_limit(&self) -> usize {
        usize::MAX
    }
}
