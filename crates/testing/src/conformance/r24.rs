use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use opentelemetry::trace::{SpanKind, Status};
use otel_messaging_core::{
    AsReceived as _, Instrumenter, OperationType, client::Message as _, semconv,
};

use super::{
    Broker, Failing,
    bare::{self, Bare, operation},
    expect::{consumed_messages, failed, first, operation_duration, process_duration},
    scene::{Scene, order, poll_once},
};
use crate::{spans::span, telemetry::Telemetry};

/// A started operation ends exactly once: dropped unfinished, it is recorded as cancelled. A future
/// that is never polled records nothing.
pub async fn r24_drop_is_an_outcome<B: Broker>() {
    a_handler_that_is_dropped::<B>().await;
    a_guard_that_is_dropped::<B>().await;
    ended_once::<B>().await;
    never_started::<B>().await;
    every_kind_of_operation();
}

fn cancelled() -> Failing {
    Failing { error_type: "cancelled".into(), description: "".into() }
}

/// Asserts that one message was received and that its processing ended once, with `failing`.
#[track_caller]
fn assert_processed_once<B: Broker>(scene: &Scene<B>, failing: Option<&Failing>) {
    let timed = |operation| scene.timed(operation, "orders", first::<B>());
    let process = timed(OperationType::Process);
    let process = match failing {
        Some(failing) => failed(process, failing),
        None => process,
    };
    let counted = scene.counted(OperationType::Receive, "orders", first::<B>());
    scene.telemetry.assert_metrics([
        process_duration(vec![(1, process)]),
        operation_duration(vec![(1, timed(OperationType::Receive))]),
        consumed_messages(vec![(1, counted)]),
    ]);
}

async fn a_handler_that_is_dropped<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let message = scene.receive_foreign(order()).await;
    scene.telemetry.clear();
    {
        let mut process = pin!(message.as_received().process(pending::<()>()));
        assert!(poll_once(process.as_mut()).is_pending());
        scene.telemetry.assert_spans([]);
    }
    let process = scene.processed(B::place_of(&message));
    scene.telemetry.assert_spans([process.failing(&cancelled())]);
    assert_processed_once(&scene, Some(&cancelled()));

    let scene = Scene::<B>::new().await;
    scene.broker.send_foreign(vec![order()]).await;
    let batch = scene.broker.receive_batch(1).await.expect("a batch is received");
    scene.telemetry.clear();
    {
        let mut process = pin!(batch.process(pending::<()>()));
        assert!(poll_once(process.as_mut()).is_pending());
    }
    let process = scene.batch(OperationType::Process, 1);
    let place = scene.position_attribute(OperationType::Process, B::place_of(&batch[0]));
    scene.telemetry.assert_spans([process.attributes(place).failing(&cancelled())]);
    assert_processed_once(&scene, Some(&cancelled()));
}

async fn a_guard_that_is_dropped<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let message = scene.receive_foreign(order()).await;
    scene.telemetry.clear();
    let operation = message.as_received().start_process();
    // A clone of the context may outlive the operation.
    let context = operation.context();
    drop(operation);
    let process = || scene.processed(B::place_of(&message)).failing(&cancelled());
    scene.telemetry.assert_spans([process()]);
    drop(context);
    scene.telemetry.assert_spans([process()]);
    assert_processed_once(&scene, Some(&cancelled()));
}

async fn ended_once<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let message = scene.receive_foreign(order()).await;
    scene.telemetry.clear();
    {
        let mut process = pin!(message.as_received().process(async {}));
        assert!(poll_once(process.as_mut()).is_ready());
        // The future is dropped after it finished.
    }
    scene.telemetry.assert_spans([scene.processed(B::place_of(&message))]);
    assert_processed_once(&scene, None);
}

async fn never_started<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let message = scene.receive_foreign(order()).await;
    scene.telemetry.clear();
    drop(message.as_received().process(async {}));
    let batch: otel_messaging_core::Batch<B::Message<'_>> = Vec::new().into();
    batch.process(async {}).await;
    scene.telemetry.assert_spans([]);
    let timed = scene.timed(OperationType::Receive, "orders", first::<B>());
    let counted = scene.counted(OperationType::Receive, "orders", first::<B>());
    scene.telemetry.assert_metrics([
        operation_duration(vec![(1, timed)]),
        consumed_messages(vec![(1, counted)]),
    ]);
}

/// Asserts that `run` ends operations of every type with the result of their future.
fn every_operation_ends_with_its_result(telemetry: &Telemetry, instrumenter: &Instrumenter) {
    let run = |result: Result<(), std::fmt::Error>| {
        let started = [
            instrumenter.send(operation(OperationType::Send), &mut Bare),
            instrumenter.extract(Bare).settle(operation(OperationType::Settle)),
            instrumenter.extract(Bare).start_process(),
        ];
        for operation in started {
            let mut run = pin!(operation.run(async { result }));
            assert_eq!(poll_once(run.as_mut()), Poll::Ready(result));
        }
        let spans = telemetry.spans();
        telemetry.clear();
        spans.into_iter().map(|span| span.status.clone()).collect::<Vec<_>>()
    };
    assert_eq!(run(Ok(())), [Status::Unset, Status::Unset, Status::Unset]);
    assert_eq!(
        run(Err(std::fmt::Error)),
        [Status::error(""), Status::error(""), Status::error("")]
    );
}

/// Asserts, without a broker, that a dropped operation of every type ends once.
fn every_kind_of_operation() {
    let telemetry = Telemetry::new();
    let instrumenter = bare::instrumenter(&telemetry);
    let span = |kind: OperationType, otel_kind| {
        span(format!("{} orders", kind.as_str())).kind(otel_kind).attributes([
            (semconv::SYSTEM, "bare".into()),
            (semconv::OPERATION_NAME, kind.as_str().into()),
            (semconv::OPERATION_TYPE, kind.as_str().into()),
            (semconv::DESTINATION_NAME, "orders".into()),
        ])
    };
    drop(instrumenter.send(operation(OperationType::Send), &mut Bare));
    let sent = || span(OperationType::Send, SpanKind::Producer);
    telemetry.assert_spans([sent().failing(&cancelled())]);
    telemetry.clear();

    let mut handed_over = instrumenter.send(operation(OperationType::Send), &mut Bare);
    handed_over.handed_over();
    drop(handed_over);
    telemetry.assert_spans([sent()]);
    telemetry.clear();

    drop(instrumenter.extract(Bare).settle(operation(OperationType::Settle)));
    drop(instrumenter.settle(operation(OperationType::Settle), Some(Bare.destination())));
    let settled = || span(OperationType::Settle, SpanKind::Client).failing(&cancelled());
    telemetry.assert_spans([settled(), settled()]);
    telemetry.clear();

    every_operation_ends_with_its_result(&telemetry, &instrumenter);
    // Dropped by a panic, the operation ends with `panic` instead of `cancelled`.
    let work = || {
        let _operation = instrumenter.extract(Bare).start_process();
        panic!("this handler panics, as the test wants");
    };
    let result: Result<(), _> = catch_unwind(AssertUnwindSafe(work));
    result.expect_err("the panic is resumed");
    let processed = || span(OperationType::Process, SpanKind::Consumer);
    telemetry.assert_spans([processed().error("panic", None)]);
}
