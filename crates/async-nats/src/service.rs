//! Services: requests that are processed and answered.
//!
//! Mirrors [`async_nats::service`]:
//!
//! ```no_run
//! use futures::StreamExt;
//! use otel_messaging_async_nats as async_nats; // the line that changes
//! use async_nats::service::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), async_nats::Error> {
//! let client = async_nats::connect("localhost").await?;
//! let service = client.service_builder().start("shop", "1.0.0").await?;
//! let mut prices = service.endpoint("prices").await?;
//! while let Some(request) = prices.next().await {
//!     request.process(request.respond(Ok("7".into()))).await?; // answered in the process span
//! }
//! # Ok(())
//! # }
//! ```

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt, io,
    ops::{Deref, DerefMut},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

pub use ::async_nats::service::*;
use ::async_nats::{
    Error, HeaderMap, PublishError, Subject,
    service::{self as bare, endpoint::Endpoint as BareEndpoint},
};
use bytes::Bytes;
use futures_core::Stream;
use otel_messaging_core::{AsReceived, Operation, Received, process_methods};

use crate::{
    Client,
    facts::Connection,
    failure,
    incoming::{Incoming, Source},
    message::{Delivered, Readable},
    outgoing::outbound,
    semconv,
};

/// The client's [`ServiceExt`](bare::ServiceExt), for instrumented clients: a trait as the client's
/// is, so that its import is needed before and after.
pub trait ServiceExt {
    /// Starts a service.
    ///
    /// # Errors
    /// Those of the client.
    fn add_service(&self, config: Config) -> impl Future<Output = Result<Service, Error>> + Send;

    /// A builder of a service.
    fn service_builder(&self) -> ServiceBuilder;
}

impl ServiceExt for Client {
    async fn add_service(&self, config: Config) -> Result<Service, Error> {
        let service = bare::ServiceExt::add_service(self.get_ref(), config).await?;
        Ok(Service::new(service, self))
    }

    fn service_builder(&self) -> ServiceBuilder {
        ServiceBuilder::new(bare::ServiceExt::service_builder(self.get_ref()), self)
    }
}

/// What leads from a client to its endpoints: the setters, and what it makes.
macro_rules! mirrored {
    ($name:ident {
        $(set $setter:ident: $type:ty;)*
        $(make $maker:ident($($part:ident: $part_type:ty),*) -> $made:ident;)*
        $(find $finder:ident($($by:ident: $by_type:ty),*) -> $found:ident;)*
        $(become $asker:ident($($with:ident: $with_type:ty),*) -> $answer:ident;)*
    }) => {
        #[doc = concat!("The client's [`", stringify!($name), "`](bare::", stringify!($name), "),")]
        /// instrumented.
        pub struct $name {
            inner: bare::$name,
            client: Client,
        }

        impl $name {
            /// Wraps one that works as the instrumentation of `client` says.
            pub fn new(inner: bare::$name, client: &Client) -> Self {
                Self { inner, client: client.clone() }
            }

            $(
                /// The client's option of this name.
                #[must_use = "this returns the changed builder"]
                pub fn $setter(mut self, value: $type) -> Self {
                    self.inner = self.inner.$setter(value);
                    self
                }
            )*

            $(
                /// The client's method of this name. What it makes is instrumented.
                #[must_use = "what it makes is all that it does"]
                pub fn $maker(&self, $($part: $part_type),*) -> $made {
                    $made::new(self.inner.$maker($($part),*), &self.client)
                }
            )*

            $(
                /// The client's method of this name. What it makes is instrumented.
                ///
                /// # Errors
                /// Those of the client.
                pub async fn $finder(&self, $($by: $by_type),*) -> Result<$found, Error> {
                    let made = self.inner.$finder($($by),*).await;
                    made.map(|made| $found::new(made, &self.client))
                }
            )*

            $(
                /// The client's method of this name. What it makes is instrumented.
                ///
                /// # Errors
                /// Those of the client.
                pub async fn $asker(self, $($with: $with_type),*) -> Result<$answer, Error> {
                    let made = self.inner.$asker($($with),*).await;
                    made.map(|made| $answer::new(made, &self.client))
                }
            )*
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

mirrored! {
    ServiceBuilder {
        set description: impl ToString;
        set metadata: HashMap<String, String>;
        set queue_group: impl ToString;
        become start(name: impl ToString, version: impl ToString) -> Service;
    }
}

mirrored! {
    Service {
        make group(prefix: impl ToString) -> Group;
        make group_with_queue_group(prefix: impl ToString, queue_group: impl ToString) -> Group;
        make endpoint_builder() -> EndpointBuilder;
        find endpoint(subject: impl ToString) -> Endpoint;
    }
}

mirrored! {
    Group {
        make group(prefix: impl ToString) -> Group;
        make group_with_queue_group(prefix: impl ToString, queue_group: impl ToString) -> Group;
        make endpoint_builder() -> EndpointBuilder;
        find endpoint(subject: impl ToString) -> Endpoint;
    }
}

mirrored! {
    EndpointBuilder {
        set name: impl ToString;
        set metadata: HashMap<String, String>;
        set queue_group: impl ToString;
        become add(subject: impl ToString) -> Endpoint;
    }
}

impl Service {
    /// Stops the service.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn stop(self) -> Result<(), Error> {
        self.inner.stop().await
    }
}

impl Deref for Service {
    type Target = bare::Service;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl DerefMut for Service {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

/// [`async_nats::service::endpoint::Endpoint`](BareEndpoint), instrumented: a stream of requests,
/// each with its receive span.
#[derive(Debug)]
pub struct Endpoint(Incoming<BareEndpoint>);

impl Endpoint {
    /// Wraps an endpoint that works as the instrumentation of `client` says.
    pub fn new(endpoint: BareEndpoint, client: &Client) -> Self {
        Self(Incoming::new(endpoint, Arc::clone(client.connection()), None))
    }

    /// Stops taking requests.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn stop(&mut self) -> Result<(), io::Error> {
        self.0.get_mut().stop().await
    }

    /// The client's own endpoint. What is received through it is not instrumented.
    pub fn into_inner(self) -> BareEndpoint {
        self.0.into_inner()
    }
}

impl Stream for Endpoint {
    type Item = Request;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Request>> {
        let connection = Arc::clone(self.0.connection());
        Pin::new(&mut self.0)
            .poll_next(context)
            .map(|item| item.map(|Ok(received)| Request { received, connection }))
    }
}

impl Source for BareEndpoint {
    type Bare = bare::Request;
    type Message = Received<Delivered<bare::Request>>;
    type Error = Infallible;
    const OPERATION: Operation = semconv::RECEIVE;

    fn unpack(item: bare::Request) -> Result<bare::Request, Infallible> {
        Ok(item)
    }
}

/// [`async_nats::service::Request`](bare::Request) with its creation context.
///
/// It dereferences to the client's own.
#[derive(Debug)]
pub struct Request {
    received: Received<Delivered<bare::Request>>,
    connection: Arc<Connection>,
}

impl Request {
    process_methods!();

    /// Answers the request. The answer is a message that is published: it has its send span.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn respond(&self, response: Result<Bytes, error::Error>) -> Result<(), PublishError> {
        self.respond_with_headers(response, HeaderMap::new()).await
    }

    /// [`respond`](Self::respond) with headers.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn respond_with_headers(
        &self,
        response: Result<Bytes, error::Error>,
        headers: HeaderMap,
    ) -> Result<(), PublishError> {
        let request = self.get_ref();
        let Some(reply) = request.message.reply.clone() else {
            return request.respond_with_headers(response, headers).await;
        };
        let payload = response.as_ref().cloned().unwrap_or_default();
        let mut message = outbound(reply, Some(headers), payload);
        let operation = self.connection.send(semconv::PUBLISH, &mut message, None);
        let headers = message.headers.unwrap_or_default();
        let result = request.respond_with_headers(response, headers).await;
        failure::end_refused(operation, &result);
        result
    }

    /// The client's own. What is answered through it is not instrumented.
    pub const fn get_ref(&self) -> &bare::Request {
        &self.received.get_ref().message
    }

    /// The client's own, without the creation context.
    pub fn into_inner(self) -> bare::Request {
        self.received.into_inner().message
    }
}

impl Deref for Request {
    type Target = bare::Request;

    fn deref(&self) -> &bare::Request {
        self.get_ref()
    }
}

impl AsReceived for Request {
    type Message = Delivered<bare::Request>;

    fn as_received(&self) -> &Received<Self::Message> {
        &self.received
    }
}

impl Readable for bare::Request {
    fn subject(&self) -> &Subject {
        &self.message.subject
    }

    fn headers(&self) -> Option<&HeaderMap> {
        self.message.headers.as_ref()
    }

    fn payload(&self) -> &Bytes {
        &self.message.payload
    }
}
