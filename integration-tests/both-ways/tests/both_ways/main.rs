//! Every way to process and to collect batches, on real brokers, bare and instrumented.
//!
//! No test looks at telemetry, which one of the two builds has not got: what is asserted is what the
//! application sees.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod kafka;
mod nats;
mod rabbitmq;

use std::{
    env, process,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime},
};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a handler of these tests says.
type Answer = Result<usize, std::fmt::Error>;

/// Where the broker is.
fn endpoint(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} does not say where the broker is: run `cargo xtask test`")
    })
}

/// A name that no other test has, nor this one when it runs again.
fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("both-ways-{name}-{now:x}-{:x}-{next:x}", process::id())
}

/// Asks a message or a batch for every way to process it, the last by value.
macro_rules! process_every_way {
    ($message:expr, $length:expr) => {{
        use std::fmt::Error;
        let message = $message;
        assert_eq!(message.process(async { Answer::Ok(1) }).await, Ok(1));
        assert_eq!(message.process(async { Answer::Err(Error) }).await, Err(Error));
        message.process(async {}).await;
        assert_eq!(message.process_classified(async { Some(2) }, |_| None).await, Some(2));
        assert_eq!(message.process_sync(|| Answer::Ok(3)), Ok(3));
        let called = std::cell::Cell::new(false);
        let processed = message.process_with(async |message| {
            called.set(true);
            Answer::Ok($length(&message))
        });
        assert!(!called.get(), "nothing starts before the first poll");
        processed.await
    }};
}
use process_every_way;

/// Takes two batches of three while orders are sent, and gives up each other poll, whatever it has
/// collected by then. `$take` is shown each batch.
macro_rules! batches_in_a_select {
    ($batches:expr, $send:expr, $take:expr) => {{
        let mut send = std::pin::pin!($send);
        let (mut taken, mut interrupted, mut sent) = (0, 0, false);
        while taken < 2 || !sent {
            tokio::select! {
                biased;
                batch = $batches.next(), if taken < 2 => {
                    $take(batch.expect("there are more").expect("there is no error")).await;
                    taken += 1;
                }
                () = &mut send, if !sent => sent = true,
                () = tokio::task::yield_now() => interrupted += 1,
            }
        }
        assert!(interrupted > 0, "there was nothing yet at the first poll");
    }};
}
use batches_in_a_select;
