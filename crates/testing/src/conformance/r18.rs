use std::time::SystemTime;

use opentelemetry_sdk::trace::Sampler;
use otel_messaging_core::{AsReceived as _, Batch, InstrumentationBuilder, OperationType, semconv};

use super::{
    Broker, Failing, Fault,
    bare::{self, Bare},
    expect::{
        consumed_messages, failed, first, operation_duration, process_duration, sent_messages,
    },
    scene::{Scene, order},
};
use crate::telemetry::Telemetry;

/// Operations record the four metrics of the conventions and no other, whether or not spans are
/// made, sampled or filtered.
pub async fn r18_metrics_are_exact<B: Broker>() {
    let choices: [fn(InstrumentationBuilder) -> InstrumentationBuilder; 4] = [
        |builder| builder,
        |builder| builder.with_tracing(false),
        |builder| builder.with_filter(|_| false),
        |builder| builder.with_propagation(false),
    ];
    for choice in choices {
        everything_is_counted_once(&Scene::<B>::with(choice).await).await;
    }
    let telemetry = Telemetry::builder().with_sampler(Sampler::AlwaysOff);
    everything_is_counted_once(&Scene::<B>::on(telemetry, |builder| builder).await).await;
    durations_equal_the_spans::<B>().await;
    failures_carry_their_class::<B>().await;
    switched_off::<B>().await;
    what_is_pushed_is_counted_when_processed();
}

/// Sends, receives, processes and settles messages, and asserts the metrics.
pub(super) async fn everything_is_counted_once<B: Broker>(scene: &Scene<B>) {
    scene.send(order()).await;
    scene.broker.send_batch(vec![order(); 3]).await;
    let message = scene.receive().await;
    // Processing a message twice counts it as consumed once.
    message.as_received().process(async {}).await;
    message.as_received().process(async {}).await;
    scene.broker.settle(&message).await.expect("the message is settled");
    let batch = scene.broker.receive_batch(3).await.expect("a batch is received");
    batch.process(async {}).await;
    batch[0].as_received().process(async {}).await;

    let timed = |operation| scene.timed(operation, "orders", first::<B>());
    let mut points = vec![(2, timed(OperationType::Send)), (2, timed(OperationType::Receive))];
    points.extend(B::SETTLE.map(|_| (1, timed(OperationType::Settle))));
    let counted = |operation| scene.counted(operation, "orders", first::<B>());
    scene.telemetry.assert_metrics([
        operation_duration(points),
        process_duration(vec![(4, timed(OperationType::Process))]),
        sent_messages(vec![(4, counted(OperationType::Send))]),
        consumed_messages(vec![(4, counted(OperationType::Receive))]),
    ]);
}

/// What a histogram recorded is what the span lasted, to the nanosecond; a process span that is one
/// of `tracing` may start later.
async fn durations_equal_the_spans<B: Broker>() {
    let scene = Scene::<B>::new().await;
    scene.whole_life(order()).await;
    let spans = scene.telemetry.spans();
    let seconds = |is_process: bool| {
        let of = spans.iter().filter(|span| span.name.starts_with("process ") == is_process);
        let mut seconds: Vec<f64> = of.map(crate::telemetry::FinishedSpan::seconds).collect();
        seconds.sort_unstable_by(f64::total_cmp);
        seconds
    };
    let recorded = |metric| scene.telemetry.histogram_sums(metric);
    assert_eq!(spans.len(), if B::SETTLE.is_some() { 4 } else { 3 });
    assert_eq!(recorded(semconv::CLIENT_OPERATION_DURATION), seconds(false));
    let (processed, spans) = (recorded(semconv::PROCESS_DURATION), seconds(true));
    assert_eq!(processed.len(), spans.len());
    for (processed, span) in processed.into_iter().zip(spans) {
        let difference = processed - span;
        assert!((0.0..=LATE_START).contains(&difference), "{processed} s, the span {span} s");
    }
}

/// How much later than its operation a process span may start, in seconds: a layer of `tracing`
/// reads the clock itself.
const LATE_START: f64 = if cfg!(feature = "tracing") { 0.05 } else { 0.0 };

async fn failures_carry_their_class<B: Broker>() {
    some_of_a_batch_fail::<B>(Fault::Fail).await;
    some_of_a_batch_fail::<B>(Fault::Refuse).await;
    let scene = Scene::<B>::new().await;
    let failure = Err::<(), _>(std::fmt::Error);
    let message = scene.receive_foreign(order()).await;
    let handled = message.as_received().process(async { failure }).await;
    assert_eq!(handled, failure);
    let error = Failing { error_type: "core::fmt::Error".into(), description: "".into() };
    let timed = |operation| scene.timed(operation, "orders", first::<B>());
    let counted = scene.counted(OperationType::Receive, "orders", first::<B>());
    scene.telemetry.assert_metrics([
        operation_duration(vec![(1, timed(OperationType::Receive))]),
        process_duration(vec![(1, failed(timed(OperationType::Process), &error))]),
        consumed_messages(vec![(1, counted)]),
    ]);
}

/// Asserts that a batch counts delivered messages, and failed ones with their error. Messages that
/// the client refused are not counted.
async fn some_of_a_batch_fail<B: Broker>(fault: Fault) {
    let scene = Scene::<B>::new().await;
    let failing = scene.broker.inject(fault);
    let results = scene.broker.send_batch(vec![order(); 3]).await;
    let lost = results.iter().filter(|result| result.is_err()).count() as u64;
    assert_eq!(lost > 0, failing.is_some(), "{fault:?}: {results:?}");
    let timed = scene.timed(OperationType::Send, "orders", first::<B>());
    let counted = || scene.counted(OperationType::Send, "orders", first::<B>());
    let timed = match &failing {
        Some(failing) => failed(timed, failing),
        None => timed,
    };
    let mut points = vec![(3 - lost, counted())];
    let lost = if fault == Fault::Refuse { 0 } else { lost };
    points.extend(failing.iter().map(|failing| (lost, failed(counted(), failing))));
    points.retain(|(count, _)| *count > 0);
    let messages = (!points.is_empty()).then(|| sent_messages(points));
    let duration = operation_duration(vec![(1, timed)]);
    scene.telemetry.assert_metrics([duration].into_iter().chain(messages));
}

async fn switched_off<B: Broker>() {
    let scene = Scene::<B>::with(|builder| builder.with_metrics(false)).await;
    // Spans do not depend on metrics.
    let failing = scene.broker.inject(Fault::Fail);
    let result = scene.broker.send(order()).await;
    assert_eq!(result.is_err(), failing.is_some(), "{result:?}");
    let span = match (&failing, result) {
        (Some(failing), _) => scene.unanswered(order().partition).failing(failing),
        (None, result) => scene.sent(result.unwrap_or_default()),
    };
    scene.telemetry.assert_spans([span]);
    // Start again: the failed message may be stored or not.
    let scene = Scene::<B>::with(|builder| builder.with_metrics(false)).await;
    let message = scene.receive_foreign(order()).await;
    scene.telemetry.clear();
    let before = SystemTime::now();
    let handled = message.as_received().process(async { Err::<(), _>(std::fmt::Error) }).await;
    assert_eq!(handled, Err(std::fmt::Error));
    let process = scene.processed(B::place_of(&message)).error("core::fmt::Error", None);
    let spans = scene.telemetry.assert_spans([process]);
    assert!(
        (before..=SystemTime::now()).contains(&spans[0].end_time),
        "the span ends with the result"
    );
    scene.telemetry.assert_metrics([]);
}

/// Asserts, without a broker, that the first process operation counts a message as consumed if no
/// receive operation did.
fn what_is_pushed_is_counted_when_processed() {
    let telemetry = Telemetry::new();
    let instrumenter = bare::instrumenter(&telemetry);
    let held = instrumenter.extract(Bare);
    held.process_sync(|| ());
    held.process_sync(|| ());
    let copy = held.map_ref(|message| *message);
    let batch: Batch<_> =
        [instrumenter.extract(Bare), copy, instrumenter.extract(Bare)].into_iter().collect();
    batch.process_sync(|| ());
    let attributes = || {
        vec![
            (semconv::SYSTEM, "bare".into()),
            (semconv::OPERATION_NAME, "process".into()),
            (semconv::DESTINATION_NAME, "orders".into()),
        ]
    };
    telemetry.assert_metrics([
        process_duration(vec![(3, attributes())]),
        consumed_messages(vec![(3, attributes())]),
    ]);
}
