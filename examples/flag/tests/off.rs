//! Without the feature `otel`, a wrapper allocates no more than the client itself. (A stream of
//! batches, which the clients do not have, keeps its timer in a box in both builds.)
#![cfg(not(feature = "otel"))]
#![allow(clippy::expect_used, reason = "panicking is how tests tell")]

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::measure;
use otel_messaging::{async_nats, lapin, rdkafka};
use rdkafka::{
    ClientConfig, bare,
    message::OwnedMessage,
    producer::{BaseProducer, BaseRecord, FutureProducer, FutureRecord},
    util::Timeout,
};

/// Counts the allocations of `work` in this thread, once everything lazy was made.
fn allocations(mut work: impl FnMut()) -> u64 {
    work();
    measure(work).count_total
}

fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing in it waits"),
    }
}

/// A producer that never reaches a broker takes records all the same.
fn config() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", "127.0.0.1:1").set("log_level", "0");
    config
}

#[test]
fn r30_kafka_records_cost_what_the_client_takes() {
    let ours: FutureProducer = config().create().expect("a producer");
    let theirs: bare::producer::FutureProducer = config().create().expect("a producer");
    let record = || FutureRecord::<str, str>::to("orders").key("7").payload("7 apples");
    let by_client = allocations(|| drop(theirs.send_result(record()).expect("there is room")));
    assert_eq!(allocations(|| drop(ours.send_result(record()).expect("there is room"))), by_client);

    let ours: BaseProducer = config().create().expect("a producer");
    let theirs: bare::producer::BaseProducer = config().create().expect("a producer");
    let record = || BaseRecord::<str, str>::to("orders").key("7").payload("7 apples");
    let by_client = allocations(|| theirs.send(record()).expect("there is room"));
    assert_eq!(allocations(|| ours.send(record()).expect("there is room")), by_client);
    ours.poll(Timeout::After(Duration::ZERO));
}

#[test]
fn r30_kafka_messages_are_processed_for_nothing() {
    let none = bare::Timestamp::NotAvailable;
    let message = OwnedMessage::new(None, None, "orders".to_owned(), none, 0, 7, None);
    let process = || ready(message.process(async { Ok::<_, ()>(()) })).expect("it is handled");
    assert_eq!(allocations(process), 0);
}

#[test]
fn r30_rabbitmq_deliveries_cost_what_the_client_takes() {
    use lapin::{bare, message::Delivery};
    let mock = || bare::message::Delivery::mock(7, "shop".into(), "orders".into(), false, vec![7]);
    let by_client = allocations(|| drop(mock()));
    let ours = allocations(|| {
        let delivery = Delivery::from(mock());
        ready(delivery.process(async { Ok::<_, ()>(()) })).expect("it is handled");
    });
    assert_eq!(ours, by_client);
}

#[test]
fn r30_nats_messages_cost_what_the_client_takes() {
    use async_nats::{Message, bare};
    let message = || bare::Message {
        subject: "orders".into(),
        reply: None,
        payload: "7 apples".into(),
        headers: None,
        status: None,
        description: None,
        length: 8,
    };
    let by_client = allocations(|| drop(message()));
    let ours = allocations(|| {
        let message = Message::from(message());
        ready(message.process(async { Ok::<_, ()>(()) })).expect("it is handled");
    });
    assert_eq!(ours, by_client);
}
