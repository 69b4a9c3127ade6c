//! Messages and the futures that receive them are as large as the client's own and what is kept for
//! their telemetry, as they are moved.

#![cfg(feature = "otel")]

use std::mem::size_of;

use otel_messaging_rdkafka::{
    bare, consumer::StreamConsumer, message::BorrowedMessage, otel::CreationContext,
};

/// Returns the size of the future that `call` makes, in bytes, without calling it. It can be spawned.
fn size<A, F: Future + Send>(call: fn(A) -> F) -> usize {
    let _ = call;
    size_of::<F>()
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
