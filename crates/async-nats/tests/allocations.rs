//! What is allocated for a message beside what the client itself allocates for it, with the same
//! headers.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod support;

use std::{
    iter,
    sync::atomic::{AtomicUsize, Ordering},
};

use allocation_counter::measure;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use otel_messaging_async_nats::{
    Client, ConnectOptions, HeaderMap,
    bare::{self, HeaderName, HeaderValue, Subject},
};
use otel_messaging_testing::rungs::Rung;
use support::{connect, server::Server};
use tokio::task::yield_now;

/// Counted runs: the first ones build what is built once, and the client's queues allocate a block
/// now and then.
const RUNS: usize = 40;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn headers() -> HeaderMap {
    iter::once((HeaderName::from_static("traceparent"), HeaderValue::from(TRACEPARENT))).collect()
}

/// Returns how often a run of `work` allocates in this thread, at least. A run that has to wait is
/// not counted.
async fn allocations(mut work: impl AsyncFnMut()) -> u64 {
    let mut counts = Vec::new();
    while counts.len() < RUNS {
        let mut output = None;
        let count = measure(|| output = work().now_or_never()).count_total;
        counts.extend(output.map(|()| count));
        yield_now().await;
    }
    counts.into_iter().min().unwrap()
}

/// Asserts what `work` allocates beside `by_client` without telemetry, without a provider, with
/// metrics only, sampled out and recording.
async fn assert_allocations(
    expected: [u64; 5],
    by_client: u64,
    work: impl AsyncFn(&Server, Client) -> u64,
) {
    let server = Server::start().await;
    let mut found = [0; 5];
    for (found, rung) in found.iter_mut().zip(Rung::ALL) {
        let client = connect(&server, &rung.instrumentation()).await;
        *found = work(&server, client).await - by_client;
    }
    assert_eq!(found, expected);
}

async fn bare_client(server: &Server) -> bare::Client {
    let address = format!("127.0.0.1:{}", server.port);
    ConnectOptions::new().connect(address).await.expect("the client connects")
}

/// Delivers a message for each run, once there is a subscription.
async fn deliver(server: &Server, subject: &str) {
    let headers = format!("NATS/1.0\r\ntraceparent: {TRACEPARENT}\r\n\r\n");
    for _ in 0..RUNS {
        server.deliver(subject, "", headers.as_bytes(), b"7 apples").await;
    }
}

/// The context is in a map, a list and a text; then come the attributes and the span.
#[tokio::test]
async fn a_published_message_allocates_its_header_and_its_span() {
    let bare = bare_client(&Server::start().await).await;
    let (subject, payload) = (Subject::from("orders"), Bytes::from("7 apples"));
    let publish = async || bare.publish(subject.clone(), payload.clone()).await.unwrap();
    let by_client = allocations(publish).await;
    assert_allocations([0, 0, 0, 5, 5], by_client, async |_, client| {
        allocations(async || client.publish(subject.clone(), payload.clone()).await.unwrap()).await
    })
    .await;
}

#[tokio::test]
async fn a_received_message_allocates_its_spans() {
    let server = Server::start().await;
    let mut messages = bare_client(&server).await.subscribe("orders").await.unwrap();
    deliver(&server, "orders").await;
    let by_client = allocations(async || drop(messages.next().await.unwrap())).await;
    let subjects = AtomicUsize::new(0);
    assert_allocations([0, 1, 1, 7, 8], by_client, async |server, client| {
        let subject = format!("orders.{}", subjects.fetch_add(1, Ordering::Relaxed));
        let mut messages = client.subscribe(subject.clone()).await.unwrap();
        deliver(server, &subject).await;
        let process = async || {
            let message = messages.next().await.unwrap();
            message.process(async {}).await;
        };
        allocations(process).await
    })
    .await;
}

#[cfg(feature = "jetstream")]
mod stream {
    use otel_messaging_async_nats::jetstream::{self, Message};

    use super::*;

    fn message(context: &bare::jetstream::Context) -> bare::jetstream::Message {
        let message = bare::Message {
            subject: "orders".into(),
            reply: Some("$JS.ACK.ORDERS.billing.1.7.7.1700000000000000000.0".into()),
            payload: "7 apples".into(),
            headers: Some(headers()),
            status: None,
            description: None,
            length: 8,
        };
        bare::jetstream::Message { message, context: context.clone() }
    }

    #[tokio::test]
    async fn an_acknowledged_message_allocates_its_spans() {
        let bare = bare::jetstream::new(bare_client(&Server::start().await).await);
        let by_client = allocations(async || message(&bare).ack().await.unwrap()).await;
        assert_allocations([0, 1, 1, 8, 9], by_client, async |_, client| {
            let process = async || {
                let message = Message::wrap(message(&bare), &client);
                message.process(async {}).await;
                message.ack().await.unwrap();
            };
            allocations(process).await
        })
        .await;
    }

    #[tokio::test]
    async fn a_published_message_allocates_its_answer_once() {
        let (subject, payload) = (Subject::from("orders"), Bytes::from("7 apples"));
        let bare = bare::jetstream::new(bare_client(&Server::start().await).await);
        let publish = async || {
            let answer = bare.publish(subject.clone(), payload.clone()).await.unwrap();
            drop(answer.into_future());
        };
        let by_client = allocations(publish).await;
        assert_allocations([0, 0, 0, 5, 5], by_client, async |_, client| {
            let context = jetstream::new(client);
            let publish = async || {
                let answer = context.publish(subject.clone(), payload.clone()).await.unwrap();
                drop(answer.into_future());
            };
            allocations(publish).await
        })
        .await;
    }
}
