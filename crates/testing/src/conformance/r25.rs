use std::pin::pin;

use opentelemetry::trace::SpanContext;
use otel_messaging_core::{AsReceived as _, Batch};

use super::{
    Broker, Fault,
    scene::{Scene, current_span, order, poll_once, yield_now},
};

/// No operation leaves its span current between two polls.
pub async fn r25_no_guard_is_held_over_an_await<B: Broker>() {
    between_polls::<B>().await;
    two_at_a_time::<B>().await;
    while_sending_and_receiving::<B>().await;
}

#[track_caller]
fn assert_nothing_is_current() {
    assert_eq!(current_span(), SpanContext::NONE, "a span is still current");
}

/// Yields three times, and asserts that the current span is the same after each.
async fn handler() {
    let inside = current_span();
    assert!(inside.is_valid());
    for _ in 0..3 {
        yield_now().await;
        assert_eq!(current_span(), inside);
    }
}

async fn between_polls<B: Broker>() {
    let scene = Scene::<B>::new().await;
    scene.broker.send_foreign(vec![order(); 5]).await;
    let message = scene.receive().await;
    let mut process = pin!(message.as_received().process(handler()));
    for _ in 0..3 {
        assert!(poll_once(process.as_mut()).is_pending());
        assert_nothing_is_current();
    }
    assert!(poll_once(process.as_mut()).is_ready());
    assert_nothing_is_current();

    let by_value: Batch<_> = [scene.receive().await].into_iter().collect();
    let mut process = pin!(by_value.process_with(|_| handler()));
    assert!(poll_once(process.as_mut()).is_pending());
    assert_nothing_is_current();

    let message = scene.receive().await;
    let mut process = pin!(message.as_received().process_classified(handler(), |()| None));
    assert!(poll_once(process.as_mut()).is_pending());
    assert_nothing_is_current();

    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    {
        let mut process = pin!(batch.process(handler()));
        assert!(poll_once(process.as_mut()).is_pending());
        assert_nothing_is_current();
        // The future is dropped unfinished.
    }
    assert_nothing_is_current();
    let operation = batch.start_process();
    assert_nothing_is_current();
    operation.in_scope(|| assert!(current_span().is_valid()));
    assert_nothing_is_current();
    operation.end();
}

/// Polls two handlers in turns on one thread, and asserts that each sees its own span only.
async fn two_at_a_time<B: Broker>() {
    let scene = Scene::<B>::new().await;
    scene.broker.send_foreign(vec![order(); 2]).await;
    let (one, other) = (scene.receive().await, scene.receive().await);
    let mut one = pin!(one.as_received().process(handler()));
    let mut other = pin!(other.as_received().process(handler()));
    for _ in 0..3 {
        assert!(poll_once(one.as_mut()).is_pending());
        assert!(poll_once(other.as_mut()).is_pending());
        assert_nothing_is_current();
    }
    assert!(poll_once(other.as_mut()).is_ready());
    assert!(poll_once(one.as_mut()).is_ready());
    assert_nothing_is_current();
}

async fn while_sending_and_receiving<B: Broker>() {
    let scene = Scene::<B>::new().await;
    {
        let mut receive = pin!(scene.broker.receive());
        assert!(poll_once(receive.as_mut()).is_pending(), "there was a message");
        assert_nothing_is_current();
        let stalls = scene.broker.inject(Fault::Stall).is_some();
        let mut send = pin!(scene.broker.send(order()));
        assert!(
            poll_once(send.as_mut()).is_pending() || !stalls,
            "the client accepted the message"
        );
        assert_nothing_is_current();
    }
    assert_nothing_is_current();
}
