//! Tests the build without the feature `otel`: the same calls compile, types have no size, and
//! nothing is recorded.
#![cfg(not(feature = "otel"))]

use std::{
    mem::size_of,
    pin::pin,
    task::{Context, Poll, Waker},
};

use otel_messaging_core::{
    ActiveOperation, Batch, CreationContext, Destination, ErrorType, Failure, Instrumentation,
    Instrumenter, Operation, OperationType, ProcessParent, Received, System, Trust,
    client::{Clock, Field, Message, NotInjected, OutgoingMessage},
};

const SYSTEM: System = System::new("off", "off", "1");
const PUBLISH: Operation = Operation::new(OperationType::Send, "publish");

struct Row(u64);

impl Message for Row {
    fn destination(&self) -> Destination<'_> {
        panic!("called without telemetry")
    }

    fn header(&self, _: &str) -> Option<&[u8]> {
        panic!("called without telemetry")
    }
}

impl OutgoingMessage for Row {
    fn replace_headers(&mut self, _: &[Field<'_>]) -> Result<(), NotInjected> {
        panic!("called without telemetry")
    }
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn r30_off_has_no_size() {
    assert_eq!(size_of::<Instrumentation>(), 0);
    assert_eq!(size_of::<Instrumenter>(), 0);
    assert_eq!(size_of::<ActiveOperation>(), 0);
    assert_eq!(size_of::<CreationContext>(), 0);
    assert_eq!(size_of::<Clock>(), 0);
    assert_eq!(size_of::<Received<Row>>(), size_of::<Row>());
    assert_eq!(size_of::<Batch<Row>>(), size_of::<Vec<Row>>());
}

#[test]
fn r30_off_is_the_same_api_without_effect() {
    let instrumentation = Instrumentation::builder()
        .with_process_parent(ProcessParent::Root)
        .with_process_parent_by(|message| panic!("called without telemetry: {message:?}"))
        .with_trust(Trust::Links)
        .with_trust_by(|message| panic!("called without telemetry: {message:?}"))
        .with_filter(|message| panic!("called without telemetry: {message:?}"))
        .with_extracted_baggage(["tenant"])
        .with_injected_baggage(["tenant"])
        .build();
    let instrumenter =
        Instrumenter::builder(SYSTEM).client_id("7").server("here", None).build(&instrumentation);
    assert!(!instrumenter.is_enabled());

    let mut row = Row(7);
    let mut send = instrumenter.send(PUBLISH, &mut row);
    send.set_attribute("key", "value");
    assert!(!send.is_recording());
    send.handed_over();
    send.fail(Failure::new(ErrorType::OTHER));
    assert_eq!(instrumenter.send_batch(PUBLISH, &mut [Row(1), Row(2)]).count(), 2);

    let received = instrumenter.receive(PUBLISH, instrumenter.clock(), row);
    assert_eq!(
        poll_once(received.process(async { Ok::<_, ()>(received.get_ref().0) })),
        Poll::Ready(Ok(7))
    );
    assert_eq!(received.process_sync(|| Err::<(), _>("declined")), Err("declined"));
    received.settle(PUBLISH).end();
    let batch: Batch<_> = [received].into_iter().collect();
    assert_eq!(
        poll_once(batch.process_classified(async { 402 }, |_| panic!("called without telemetry"))),
        Poll::Ready(402)
    );
    assert_eq!(
        poll_once(batch.process_with(|batch| async move { Ok::<_, ()>(batch.len()) })),
        Poll::Ready(Ok(1))
    );

    assert!(CreationContext::current().to_map().is_empty());
    assert!(!CreationContext::from_map([("traceparent", "00-x")]).is_valid());
}
