//! Futures and messages are as large as the client's own and what is kept for their telemetry.
//!
//! An `async fn` around another one keeps its arguments a second time, and one that is given a
//! future keeps it twice. With thousands in flight that is memory that every poll has to fetch.

#![cfg(feature = "otel")]
#![allow(clippy::default_trait_access, reason = "the arguments are not passed to anything")]

use std::mem::size_of;

use otel_messaging_lapin::{
    Acker, Channel, PublisherConfirm, bare,
    message::Delivery,
    otel::{ActiveOperation, CreationContext},
};

/// The operation, and in which state the future is.
const OPERATION: usize = size_of::<ActiveOperation>() + 8;

/// Returns the size of the future that `call` makes, in bytes, without calling it. It can be spawned.
fn size<A, F: Future + Send>(call: fn(A) -> F) -> usize {
    let _ = call;
    size_of::<F>()
}

/// Asserts that the future of a method is at most this much larger than that of the client's
/// method.
macro_rules! assert_future {
    ($ours:ty, $bare:ty, $added:expr, $method:ident($($argument:expr),*)) => {
        let ours = size(|ours: &'static $ours| ours.$method($($argument),*));
        let bare = size(|bare: &'static $bare| bare.$method($($argument),*));
        let (added, method) = ($added, stringify!($method));
        assert!(ours <= bare + added, "{method}: {ours} bytes, the client's {bare} + {added}");
    };
}

#[test]
fn a_future_is_as_large_as_the_clients_and_its_operation() {
    macro_rules! assert_channel {
        ($($call:tt)*) => { assert_future!(Channel, bare::Channel, OPERATION, $($call)*); };
    }
    assert_channel!(basic_publish(
        "".into(),
        "".into(),
        Default::default(),
        b"",
        Default::default()
    ));
    assert_channel!(basic_ack(1, Default::default()));
    assert_channel!(basic_nack(1, Default::default()));
    assert_channel!(basic_reject(1, Default::default()));
    macro_rules! assert_settlement {
        ($($call:tt)*) => {
            assert_future!(Acker, bare::Acker, OPERATION, $($call)*);
            assert_future!(Delivery, bare::message::Delivery, OPERATION, $($call)*);
        };
    }
    assert_settlement!(ack(Default::default()));
    assert_settlement!(nack(Default::default()));
    assert_settlement!(reject(Default::default()));
}

#[test]
fn a_get_keeps_its_queue_and_its_clock() {
    let kept = 136;
    assert_future!(Channel, bare::Channel, kept, basic_get("".into(), Default::default()));
}

#[test]
fn a_message_is_as_large_as_the_clients_and_its_context() {
    let confirm = size_of::<bare::PublisherConfirm>() + size_of::<ActiveOperation>();
    assert_eq!(size_of::<PublisherConfirm>(), confirm);
    // The instrumenter, the name of the destination, the tag, and what its channel has not settled.
    let acker = size_of::<bare::Acker>() + 4 * size_of::<usize>();
    assert_eq!(size_of::<Acker>(), acker);
    // The name of the destination, the creation context, and what happened to the delivery.
    let delivery = size_of::<bare::message::Delivery>() + 8 + size_of::<CreationContext>() + 88;
    assert_eq!(size_of::<Delivery>(), delivery + acker);
}
