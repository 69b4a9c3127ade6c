//! Without the feature `otel` the clients are the bare ones, and what is added at the call site
//! costs nothing: a future comes back as it was given, and a batch is a `Vec`.

#![cfg(not(feature = "otel"))]
#![allow(dead_code, reason = "each client uses a part of it")]

use std::{
    any::{type_name, type_name_of_val},
    cell::Cell,
    future::{Future, Ready, ready},
    mem::size_of_val,
    pin::pin,
    task::{Context, Poll, Waker},
};

use otel_messaging::otel::{ErrorType, Failure};

otel_messaging::prelude!();

type Answer = Result<u8, std::fmt::Error>;

/// Compiles if both are one type.
trait Same<T: ?Sized> {}
impl<T: ?Sized> Same<T> for T {}
fn is_same<A: Same<B> + ?Sized, B: ?Sized>() {}

/// One poll, which has to be enough.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits for something"),
    }
}

/// A future's hidden type is the one that was given, so that not a byte and not a branch is added.
fn is_untouched<F: Future>(_given: &F, passed: &impl Future<Output = F::Output>) {
    assert_eq!(type_name_of_val(passed), type_name::<F>());
}

/// What each message and each batch of a client is asked.
macro_rules! costs_nothing {
    ($message:expr) => {{
        let message = $message;
        is_untouched(&ready(Answer::Ok(1)), &message.process(ready(Answer::Ok(1))));
        assert_eq!(now(message.process(ready(Answer::Ok(1)))), Ok(1));
        assert_eq!(now(message.process(ready(Answer::Err(std::fmt::Error)))), Err(std::fmt::Error));
        let classify = |_: &Option<u8>| -> Option<Failure> {
            panic!("nobody would be told of {:?}", ErrorType::OTHER)
        };
        is_untouched(&ready(Some(2)), &message.process_classified(ready(Some(2)), classify));
        assert_eq!(now(message.process_classified(ready(Some(2)), classify)), Some(2));
        assert_eq!(message.process_sync(|| Answer::Ok(3)), Ok(3));
        by_value(message);
    }};
}

/// As large as what one writes by hand, and as late.
macro_rules! costs_nothing_by_value {
    ($message:expr, $by_hand:expr) => {{
        let called = Cell::new(false);
        let passed = $message.process_with(|_message| {
            called.set(true);
            ready(Answer::Ok(4))
        });
        assert!(!called.get(), "nothing starts before the first poll");
        assert_eq!(size_of_val(&passed), $by_hand);
        assert_eq!(now(passed), Ok(4));
        assert!(called.get());
    }};
}

/// How large the future is that one writes by hand.
fn by_hand<M>(message: M) -> usize {
    let called = Cell::new(false);
    let handler = |_message: M| -> Ready<Answer> {
        called.set(true);
        ready(Ok(4))
    };
    size_of_val(&async move { handler(message).await })
}

#[cfg(feature = "rdkafka")]
mod rdkafka {
    use super::*;
    use otel_messaging::rdkafka::{Timestamp, consumer, message::OwnedMessage, otel, producer};

    fn order() -> OwnedMessage {
        OwnedMessage::new(None, None, "orders".to_owned(), Timestamp::NotAvailable, 0, 7, None)
    }

    #[test]
    fn the_client_is_the_bare_one() {
        is_same::<consumer::StreamConsumer, ::rdkafka::consumer::StreamConsumer>();
        is_same::<producer::FutureProducer, ::rdkafka::producer::FutureProducer>();
        is_same::<OwnedMessage, ::rdkafka::message::OwnedMessage>();
        is_same::<otel::Batch<OwnedMessage>, Vec<OwnedMessage>>();
    }

    #[test]
    fn processing_costs_nothing() {
        fn by_value(message: OwnedMessage) {
            costs_nothing_by_value!(message, by_hand(order()));
        }
        costs_nothing!(order());
    }

    #[test]
    fn a_batch_costs_nothing() {
        fn by_value(batch: otel::Batch<OwnedMessage>) {
            costs_nothing_by_value!(batch, by_hand(vec![order()]));
        }
        let batch: otel::Batch<_> = [order(), order()].into_iter().collect();
        assert_eq!(batch.clone().into_vec().len(), 2);
        costs_nothing!(batch);
    }
}

#[cfg(feature = "lapin")]
mod lapin {
    use super::*;
    use otel_messaging::lapin::{Channel, Connection, Consumer, message::Delivery, otel};

    fn order() -> Delivery {
        Delivery::mock(7, "shop".into(), "orders".into(), false, b"7 apples".to_vec())
    }

    #[test]
    fn the_client_is_the_bare_one() {
        is_same::<Connection, ::lapin::Connection>();
        is_same::<Channel, ::lapin::Channel>();
        is_same::<Consumer, ::lapin::Consumer>();
        is_same::<Delivery, ::lapin::message::Delivery>();
        is_same::<otel::Batch<Delivery>, Vec<Delivery>>();
    }

    #[test]
    fn processing_costs_nothing() {
        fn by_value(message: Delivery) {
            costs_nothing_by_value!(message, by_hand(order()));
        }
        costs_nothing!(order());
    }

    #[test]
    fn a_batch_costs_nothing() {
        fn by_value(batch: otel::Batch<Delivery>) {
            costs_nothing_by_value!(batch, by_hand(vec![order()]));
        }
        costs_nothing!(otel::Batch::from(vec![order()]));
    }
}

#[cfg(feature = "async-nats")]
mod async_nats {
    use super::*;
    use otel_messaging::async_nats::{Client, Message, Subscriber, otel};

    fn order() -> Message {
        Message {
            subject: "orders".into(),
            reply: None,
            payload: "7 apples".into(),
            headers: None,
            status: None,
            description: None,
            length: 8,
        }
    }

    #[test]
    fn the_client_is_the_bare_one() {
        is_same::<Client, ::async_nats::Client>();
        is_same::<Subscriber, ::async_nats::Subscriber>();
        is_same::<Message, ::async_nats::Message>();
        is_same::<otel::Batch<Message>, Vec<Message>>();
    }

    #[cfg(feature = "jetstream")]
    #[test]
    fn jetstream_is_the_bare_one() {
        use otel_messaging::async_nats::jetstream::{self, consumer::pull};
        is_same::<jetstream::Context, ::async_nats::jetstream::Context>();
        is_same::<jetstream::Message, ::async_nats::jetstream::Message>();
        is_same::<pull::Stream, ::async_nats::jetstream::consumer::pull::Stream>();
    }

    #[test]
    fn processing_costs_nothing() {
        fn by_value(message: Message) {
            costs_nothing_by_value!(message, by_hand(order()));
        }
        costs_nothing!(order());
    }

    #[test]
    fn a_batch_costs_nothing() {
        fn by_value(batch: otel::Batch<Message>) {
            costs_nothing_by_value!(batch, by_hand(vec![order()]));
        }
        costs_nothing!(otel::Batch::from(vec![order()]));
    }
}
