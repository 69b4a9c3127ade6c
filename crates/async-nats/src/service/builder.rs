//! Services, and what leads to their endpoints.

use std::{collections::HashMap, ops::DerefMut};

use ::async_nats::{
    Error,
    service::{self as bare, Config},
};
use otel_messaging_core::client::wrapper;

use super::Endpoint;
use crate::Client;

/// The client's [`ServiceExt`](bare::ServiceExt), for instrumented clients: a trait as the client's
/// is, so that its import is needed before and after.
pub trait ServiceExt {
    /// Starts a service.
    ///
    /// Cancel safety: dropped before the end, there is no service.
    ///
    /// # Errors
    /// Returns the client's error unchanged.
    fn add_service(&self, config: Config) -> impl Future<Output = Result<Service, Error>> + Send;

    /// Makes a builder of a service.
    fn service_builder(&self) -> ServiceBuilder;
}

impl ServiceExt for Client {
    async fn add_service(&self, config: Config) -> Result<Service, Error> {
        let service = bare::ServiceExt::add_service(self.get_ref(), config).await?;
        Ok(Service::wrap(service, self))
    }

    fn service_builder(&self) -> ServiceBuilder {
        ServiceBuilder::wrap(bare::ServiceExt::service_builder(self.get_ref()), self)
    }
}

/// Defines a type of the client's that leads to its endpoints: its setters, and what it makes.
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
            bare: bare::$name,
            client: Client,
        }

        wrapper!($name: bare::$name);

        impl $name {
            /// Wraps the client's own, which then works as the instrumentation of `client` says.
            pub fn wrap(bare: bare::$name, client: &Client) -> Self {
                Self { bare, client: client.clone() }
            }

            $(
                /// Sets the client's option of this name.
                #[must_use = "this returns the changed builder"]
                pub fn $setter(mut self, value: $type) -> Self {
                    self.bare = self.bare.$setter(value);
                    self
                }
            )*

            $(
                /// Does as the client's method of this name. What it makes is instrumented.
                #[must_use = "what it makes is all that it does"]
                pub fn $maker(&self, $($part: $part_type),*) -> $made {
                    $made::wrap(self.bare.$maker($($part),*), &self.client)
                }
            )*

            $(
                /// Does as the client's method of this name. What it makes is instrumented.
                ///
                /// Cancel safety: dropped before the end, nothing is made.
                ///
                /// # Errors
                /// Returns the client's error unchanged.
                pub async fn $finder(&self, $($by: $by_type),*) -> Result<$found, Error> {
                    let made = self.bare.$finder($($by),*).await;
                    made.map(|made| $found::wrap(made, &self.client))
                }
            )*

            $(
                /// Does as the client's method of this name. What it makes is instrumented.
                ///
                /// Cancel safety: dropped before the end, nothing is made.
                ///
                /// # Errors
                /// Returns the client's error unchanged.
                pub async fn $asker(self, $($with: $with_type),*) -> Result<$answer, Error> {
                    let made = self.bare.$asker($($with),*).await;
                    made.map(|made| $answer::wrap(made, &self.client))
                }
            )*
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
    /// Cancel safety: dropped before the end, some endpoints may go on.
    ///
    /// # Errors
    /// Returns the client's error unchanged.
    pub async fn stop(self) -> Result<(), Error> {
        self.bare.stop().await
    }
}

impl DerefMut for Service {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.bare
    }
}
