//! How large futures and messages are beside the client's own: publishers wait for such futures by
//! the thousand, and consumers hold such messages.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use bytes::Bytes;
#[cfg(feature = "jetstream")]
use otel_messaging_async_nats::jetstream::{
    self, AckKind,
    context::PublishAckFuture,
    message::{OutboundMessage as StreamMessage, PublishMessage},
};
use otel_messaging_async_nats::{
    Client, Message, Request, Subject,
    bare::{self, HeaderMap},
    client::traits::Publisher as _,
    message::OutboundMessage,
    otel::{ActiveOperation, CreationContext, Instrumentation, Received, client::Clock},
};
use support::{connect, server::Server};

/// What a future keeps beside the client's own: the operation, and which step it is at.
const KEPT: usize = size_of::<ActiveOperation>() + size_of::<usize>();

/// What a message keeps beside the client's own: its context, what is known of its connection, and
/// its place in a stream.
const KEPT_BY_MESSAGE: usize = size_of::<Received<()>>() + 3 * size_of::<usize>();

/// Asserts that a future can be spawned, and has the size of the one of the client's that it waits
/// for, and `KEPT`.
macro_rules! assert_sizes {
    ($($bare:expr => $($ours:expr),+;)*) => {
        $($(
            let (ours, bare) = (size_of_spawned(&$ours), size_of_val(&$bare));
            assert!(ours <= bare + KEPT, "{}: {ours} over {bare} + {KEPT}", stringify!($ours));
        )+)*
    };
}

fn size_of_spawned<F: Future + Send>(future: &F) -> usize {
    size_of_val(future)
}

async fn client() -> Client {
    connect(&Server::start().await, &Instrumentation::default()).await
}

fn message() -> OutboundMessage {
    OutboundMessage { subject: subject(), reply: None, payload: Bytes::new(), headers: None }
}

fn subject() -> Subject {
    "orders".into()
}

fn headers() -> HeaderMap {
    HeaderMap::new()
}

fn payload() -> Bytes {
    Bytes::new()
}

#[test]
fn a_message_keeps_little_beside_the_clients() {
    assert!(size_of::<Message>() <= size_of::<bare::Message>() + KEPT_BY_MESSAGE);
    #[cfg(feature = "jetstream")]
    assert!(
        size_of::<jetstream::Message>() <= size_of::<bare::jetstream::Message>() + KEPT_BY_MESSAGE
    );
}

#[tokio::test]
async fn the_future_of_a_message_holds_it_once() {
    let ours = client().await;
    let bare = ours.get_ref();
    assert_sizes! {
        bare.publish_with_headers(subject(), headers(), payload()) =>
            ours.publish(subject(), payload()),
            ours.publish_with_headers(subject(), headers(), payload());
        bare.publish_with_reply_and_headers(subject(), subject(), headers(), payload()) =>
            ours.publish_with_reply(subject(), subject(), payload()),
            ours.publish_with_reply_and_headers(subject(), subject(), headers(), payload());
        bare.publish_message(message()) =>
            ours.publish_message(message()),
            ours.publish_with_context(message(), &CreationContext::NONE);
    }
}

#[tokio::test]
async fn the_future_of_a_request_holds_it_once() {
    let ours = client().await;
    let bare = size_of_val(&ours.get_ref().send_request(subject(), Request::new()));
    // When it began and by which connection, and what becomes of the payload.
    let kept = KEPT + size_of::<Clock>() + 3 * size_of::<usize>();
    for ours in [
        size_of_spawned(&ours.request(subject(), payload())),
        size_of_spawned(&ours.request_with_headers(subject(), headers(), payload())),
        size_of_spawned(&ours.send_request(subject(), Request::new())),
    ] {
        assert!(ours <= bare + kept, "{ours} over {bare} + {kept}");
    }
}

#[cfg(feature = "jetstream")]
#[tokio::test]
async fn the_future_of_a_message_to_a_stream_holds_it_once() {
    let ours = jetstream::new(client().await);
    let bare = ours.get_ref();
    let message = || StreamMessage::new(subject(), payload(), None);
    assert_sizes! {
        bare.send_publish(subject(), PublishMessage::build()) =>
            ours.publish(subject(), payload()),
            ours.publish_with_headers(subject(), headers(), payload()),
            ours.send_publish(subject(), PublishMessage::build()),
            ours.publish_with_context(message(), &CreationContext::NONE);
    }
    let answer = size_of::<bare::jetstream::context::PublishAckFuture>();
    assert!(size_of::<PublishAckFuture>() <= answer + size_of::<ActiveOperation>());
}

#[cfg(feature = "jetstream")]
#[tokio::test]
async fn the_future_of_a_settlement_holds_it_once() {
    let bare = bare::jetstream::Message {
        message: bare::Message {
            subject: subject(),
            reply: None,
            payload: payload(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        },
        context: bare::jetstream::new(client().await.get_ref().clone()),
    };
    let ours = jetstream::Message::from(bare.clone());
    let (_, acker) = ours.clone().split();
    assert_sizes! {
        bare.ack() => ours.ack(), acker.ack();
        bare.ack_with(AckKind::Ack) => ours.ack_with(AckKind::Ack), acker.ack_with(AckKind::Ack);
    }
}
