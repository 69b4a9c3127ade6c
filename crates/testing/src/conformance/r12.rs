use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex},
};

use opentelemetry::{context::FutureExt as _, trace::SpanContext};
use otel_messaging_core::{AsReceived as _, ErrorType, Failure, OperationType, ReceiveSpans};

use super::{
    Broker, Place,
    scene::{Scene, current_span, order, poll_once, saw, yield_now},
};
use crate::spans::ExpectedSpan;

/// A process span is current inside the handler, across every `.await` and on every thread. The
/// handler's result or panic ends it.
pub async fn r12_process_is_scoped_by_the_work<B: Broker>() {
    spawned_on_the_runtime::<B>().await;
    every_form_is_a_scope::<B>().await;
    results_end_the_span::<B>().await;
    panics_end_the_span::<B>().await;
    batches_are_scoped_too::<B>().await;
}

type Seen = Arc<Mutex<Vec<SpanContext>>>;

fn record_current_span(seen: &Seen) {
    seen.lock().expect("no lock is poisoned").push(current_span());
}

/// Asserts that the exported span was the current span each time the handler recorded it.
#[track_caller]
fn assert_inside<B: Broker>(scene: &Scene<B>, seen: &[SpanContext], expected: ExpectedSpan) {
    let spans = scene.telemetry.assert_spans([expected]);
    assert!(!seen.is_empty(), "the handler ran");
    for inside in seen {
        assert_eq!(*inside, spans[0].span_context, "the current span inside the handler");
    }
    assert!(!current_span().is_valid(), "no span is current outside");
    scene.telemetry.clear();
}

async fn spawned_on_the_runtime<B: Broker>() {
    let scene = Arc::new(Scene::<B>::new().await);
    let seen = Seen::default();
    scene.broker.send_foreign(vec![order()]).await;
    let (there, looking) = (Arc::clone(&scene), Arc::clone(&seen));
    let place = Arc::new(Mutex::new(Place::default()));
    let told = Arc::clone(&place);
    let handled = tokio::spawn(async move {
        let message = there.receive().await;
        *told.lock().expect("no lock is poisoned") = B::place_of(&message);
        there.telemetry.clear();
        let handler = async {
            for _ in 0..10 {
                record_current_span(&looking);
                yield_now().await;
                record_current_span(&looking);
            }
        };
        message.as_received().process(handler).await;
    })
    .await;
    handled.expect("the handler finished");
    let seen = seen.lock().expect("no lock is poisoned").clone();
    assert_eq!(seen.len(), 20);
    let place = *place.lock().expect("no lock is poisoned");
    assert_inside(&scene, &seen, scene.processed(place));
}

async fn every_form_is_a_scope<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let look = || vec![current_span()];
    scene.broker.send_foreign(vec![order(); 4]).await;
    for form in 0..4 {
        let message = scene.receive().await;
        scene.telemetry.clear();
        let place = B::place_of(&message);
        let received = message.as_received();
        let seen: Vec<SpanContext> = match form {
            0 => {
                let Ok(seen) = received.process(saw(look)).await;
                seen
            }
            1 => {
                let Ok(seen) = received.process_sync(|| Ok::<_, Infallible>(look()));
                seen
            }
            2 => received.process_classified(async { look() }, |_| None).await,
            _ => {
                // The guard, for work that is neither a future nor a closure.
                let operation = received.start_process();
                let mut seen = operation.in_scope(look);
                let Ok(more) = saw(look).with_context(operation.context()).await;
                seen.extend(more);
                seen.push(operation.span_context());
                operation.end();
                seen
            }
        };
        assert_inside(&scene, &seen, scene.processed(place));
    }
}

async fn results_end_the_span<B: Broker>() {
    let scene = Scene::<B>::with(|builder| builder.with_receive_spans(ReceiveSpans::None)).await;
    scene.broker.send_foreign(vec![order(); 4]).await;
    let declined = || Failure::new(ErrorType::new("declined")).with_description("no money");
    let mut expected = Vec::new();
    for form in 0..4 {
        let message = scene.receive().await;
        let received = message.as_received();
        let process = scene.processed(B::place_of(&message));
        let failed = Err::<u8, _>(std::fmt::Error);
        expected.push(match form {
            0 => {
                assert_eq!(received.process(async { failed }).await, failed, "is returned");
                process.error("core::fmt::Error", None)
            }
            1 => {
                assert_eq!(received.process_sync(|| failed), failed, "is returned");
                process.error("core::fmt::Error", None)
            }
            2 => {
                let classify = |answer: &i32| (*answer == 402).then(declined);
                let answer = received.process_classified(async { 402 }, classify).await;
                assert_eq!(answer, 402, "is returned");
                process.error("declined", Some("no money"))
            }
            _ => {
                received.start_process().fail(declined());
                process.error("declined", Some("no money"))
            }
        });
    }
    scene.telemetry.assert_spans(expected);
}

fn panic_as_wanted() {
    panic!("this handler panics, as the test wants");
}

async fn panics_end_the_span<B: Broker>() {
    let scene = Arc::new(Scene::<B>::new().await);
    scene.broker.send_foreign(vec![order(); 2]).await;
    let place = Arc::new(Mutex::new(Place::default()));
    let (there, told) = (Arc::clone(&scene), Arc::clone(&place));
    let handled = tokio::spawn(async move {
        let message = there.receive().await;
        *told.lock().expect("no lock is poisoned") = B::place_of(&message);
        there.telemetry.clear();
        let handler = async {
            yield_now().await;
            panic_as_wanted();
        };
        message.as_received().process(handler).await;
    })
    .await;
    handled.expect_err("the panic is resumed");
    let place = *place.lock().expect("no lock is poisoned");
    scene.telemetry.assert_spans([scene.processed(place).error("panic", None)]);

    let message = scene.receive().await;
    scene.telemetry.clear();
    let work = || message.as_received().process_sync(panic_as_wanted);
    catch_unwind(AssertUnwindSafe(work)).expect_err("the panic is resumed");
    let place = B::place_of(&message);
    scene.telemetry.assert_spans([scene.processed(place).error("panic", None)]);
    assert!(!current_span().is_valid(), "no span is current afterwards");

    // The panic ends the span, even if the future is dropped later.
    scene.telemetry.clear();
    let mut process = pin!(message.as_received().process(async { panic_as_wanted() }));
    catch_unwind(AssertUnwindSafe(|| poll_once(process.as_mut())))
        .expect_err("the panic is resumed");
    scene.telemetry.assert_spans([scene.processed(place).error("panic", None)]);
}

async fn batches_are_scoped_too<B: Broker>() {
    let scene = Scene::<B>::new().await;
    for form in 0..5 {
        scene.broker.send_foreign(vec![order(); 2]).await;
        let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
        scene.telemetry.clear();
        let look = || vec![current_span()];
        let Ok(seen) = match form {
            0 => batch.process(saw(look)).await,
            1 => batch.process_sync(|| Ok::<_, Infallible>(look())),
            2 => Ok(batch.process_classified(async { look() }, |_| None).await),
            3 => {
                let operation = batch.start_process();
                let seen = operation.in_scope(look);
                operation.end();
                Ok(seen)
            }
            _ => {
                let handler = |batch: otel_messaging_core::Batch<_>| {
                    assert_eq!(batch.len(), 2);
                    saw(look)
                };
                batch.process_with(handler).await
            }
        };
        assert_inside(&scene, &seen, scene.batch(OperationType::Process, 2));
    }
}
