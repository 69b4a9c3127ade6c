//! Core NATS, on the server of the client crate's tests. The connection runs in another thread, so
//! that what the calling thread allocates is the application's part.

use std::time::Duration;

use async_nats::{Client, HeaderMap};
use futures::{StreamExt, executor::block_on};
use otel_messaging_async_nats as ours;
use tokio::runtime::{Builder, Runtime};

use crate::{Mode, assert_added, counted, steady};

#[path = "../../../../crates/async-nats/tests/support/server.rs"]
#[allow(dead_code, reason = "a file of another crate's tests")]
mod server;

const PATIENCE: Duration = Duration::from_secs(30);
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_publish() {
    let (runtime, server) = start();
    let client = connect(&runtime, &server);
    let bare = || {
        let (allocations, outcome) =
            counted(|| block_on(client.publish_with_headers("orders", headers(), "7".into())));
        outcome.unwrap();
        allocations
    };
    assert_added("nats publish", bare, |mode| {
        let client = connect(&runtime, &server);
        let client = ours::Client::wrap(client, &mode.instrumentation());
        let writes = matches!(mode, Mode::SampledOut | Mode::Recorded);
        steady(|| {
            let (allocations, outcome) = counted(|| {
                if writes {
                    block_on(client.publish("orders", "7".into()))
                } else {
                    block_on(client.publish_with_headers("orders", headers(), "7".into()))
                }
            });
            outcome.unwrap();
            allocations
        })
    });
}

#[test]
fn a_message_that_is_received_and_processed() {
    let (runtime, server) = start();
    let client = connect(&runtime, &server);
    // Over the consumer's own connection, as the server has subscribed by then.
    let send = |client: &Client| {
        block_on(client.publish_with_headers("orders", headers(), "7".into())).unwrap();
    };
    let mut messages = block_on(client.subscribe("orders")).unwrap();
    let bare = || {
        send(&client);
        let (allocations, message) = counted(|| block_on(messages.next()));
        assert!(message.is_some());
        allocations
    };
    assert_added("nats receive and process", bare, |mode| {
        let bare = connect(&runtime, &server);
        let client = ours::Client::wrap(bare.clone(), &mode.instrumentation());
        let mut messages = block_on(client.subscribe("orders")).unwrap();
        steady(|| {
            send(&bare);
            let (allocations, ()) = counted(|| {
                let message = block_on(messages.next()).unwrap();
                block_on(message.process(async {}));
            });
            allocations
        })
    });
}

fn start() -> (Runtime, server::Server) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(server::Server::start());
    (runtime, server)
}

fn connect(runtime: &Runtime, server: &server::Server) -> Client {
    runtime.block_on(async_nats::connect(format!("127.0.0.1:{}", server.port))).unwrap()
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", TRACEPARENT);
    headers
}
