//! Futures and messages are not larger than they have to be: with thousands in flight that is memory
//! that every poll has to fetch, and an `async fn` around another one keeps its arguments twice.

#![cfg(feature = "otel")]

use std::mem::size_of;

use otel_messaging_rdkafka::{
    bare,
    consumer::StreamConsumer,
    message::BorrowedMessage,
    otel::CreationContext,
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};

type Record = FutureRecord<'static, str, str>;

/// Returns the size of the future that `call` makes, in bytes, without calling it. It can be spawned.
fn size<A, F: Future + Send>(call: fn(A) -> F) -> usize {
    let _ = call;
    size_of::<F>()
}

#[test]
fn a_send_is_not_larger_than_the_clients() {
    let ours = size(|producer: &'static FutureProducer| {
        producer.send(Record::to("orders"), Timeout::Never)
    });
    let bare = size(|producer: &'static bare::producer::FutureProducer| {
        producer.send(Record::to("orders"), Timeout::Never)
    });
    assert!(ours <= bare, "{ours} bytes, the client's {bare}");
    let with_context = size(|producer: &'static FutureProducer| {
        producer.send_with_context(Record::to("orders"), &CreationContext::NONE, Timeout::Never)
    });
    assert_eq!(with_context, ours);
}

#[test]
fn a_receive_keeps_its_clock() {
    /// The times on two clocks, and what is received from.
    const KEPT: usize = 64;
    let ours = size(|consumer: &'static StreamConsumer| consumer.recv());
    let bare = size(|consumer: &'static bare::consumer::StreamConsumer| consumer.recv());
    assert!(ours <= bare + KEPT, "{ours} bytes, the client's {bare}");
}

#[test]
fn a_message_has_its_creation_context_and_its_progress() {
    let bare = size_of::<bare::message::BorrowedMessage<'static>>();
    let ours = size_of::<BorrowedMessage<'static>>() - size_of::<CreationContext>();
    assert!(ours <= bare + 88, "{ours} bytes beside the context, the client's {bare}");
}
