//! With and without the feature `otel`, each client is the instrumented one: the API is the same.

#![allow(dead_code, reason = "each client uses a part of it")]

use std::any::type_name;

/// Returns the crate that defines a type.
fn package_of<T>() -> &'static str {
    type_name::<T>().split("::").next().unwrap_or_default()
}

#[cfg(feature = "rdkafka")]
#[test]
fn rdkafka_is_instrumented() {
    use otel_messaging::rdkafka::{client::DefaultClientContext, consumer, message, producer};

    for package in [
        package_of::<producer::FutureProducer<DefaultClientContext, ()>>(),
        package_of::<producer::BaseProducer>(),
        package_of::<consumer::BaseConsumer>(),
        package_of::<message::OwnedMessage>(),
    ] {
        assert_eq!(package, "otel_messaging_rdkafka");
    }
}

#[cfg(feature = "lapin")]
#[test]
fn lapin_is_instrumented() {
    use otel_messaging::lapin::{Channel, Connection, Consumer, message::Delivery};

    for package in [
        package_of::<Connection>(),
        package_of::<Channel>(),
        package_of::<Consumer>(),
        package_of::<Delivery>(),
    ] {
        assert_eq!(package, "otel_messaging_lapin");
    }
}

#[cfg(feature = "async-nats")]
#[test]
fn async_nats_is_instrumented() {
    use otel_messaging::async_nats::{Client, Message, Subscriber};

    for package in [package_of::<Client>(), package_of::<Subscriber>(), package_of::<Message>()] {
        assert_eq!(package, "otel_messaging_async_nats");
    }
}

#[cfg(feature = "jetstream")]
#[test]
fn jetstream_is_instrumented() {
    use otel_messaging::async_nats::jetstream::{Context, Message, consumer::PullConsumer};

    for package in [package_of::<Context>(), package_of::<Message>(), package_of::<PullConsumer>()]
    {
        assert_eq!(package, "otel_messaging_async_nats");
    }
}

#[cfg(feature = "service")]
#[test]
fn services_are_instrumented() {
    use otel_messaging::async_nats::service::{Request, Service};

    for package in [package_of::<Service>(), package_of::<Request>()] {
        assert_eq!(package, "otel_messaging_async_nats");
    }
}

#[cfg(feature = "serde")]
#[test]
fn creation_contexts_can_be_serialized() {
    use otel_messaging::otel::CreationContext;

    let stored = serde_json::to_string(&CreationContext::NONE).expect("it is a map");
    assert_eq!(stored, "{}");
    let restored: CreationContext = serde_json::from_str(&stored).expect("it is one");
    assert!(!restored.is_valid());
}
