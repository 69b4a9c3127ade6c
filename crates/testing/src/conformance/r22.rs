use opentelemetry::trace::Status;
use otel_messaging_core::{AsReceived as _, ErrorType, FailedMessages, Failure, OperationType};

use super::{
    Broker, Failing, Fault,
    expect::{failed, first, operation_duration, process_duration, sent_messages},
    scene::{Scene, order},
};

/// `error.type` is a class of low cardinality, equal on span and metric. The status stays Unset on
/// success.
pub async fn r22_error_type_is_a_class<B: Broker>() {
    unset_on_success::<B>().await;
    of_the_client::<B>().await;
    of_the_handler::<B>().await;
    renamed::<B>().await;
    of_a_batch::<B>().await;
}

async fn unset_on_success<B: Broker>() {
    let scene = Scene::<B>::new().await;
    scene.whole_life(order()).await;
    for span in scene.telemetry.spans() {
        assert_eq!(span.status, Status::Unset, "{}", span.name);
    }
}

/// Asserts that each of the client's faults has a class.
async fn of_the_client<B: Broker>() {
    for fault in [Fault::Refuse, Fault::Fail] {
        let scene = Scene::<B>::new().await;
        let failing = scene.broker.inject(fault);
        let result = scene.broker.send(order()).await;
        assert_eq!(result.is_err(), failing.is_some(), "{fault:?}: {result:?}");
        let class = failing.as_ref().map_or("success", |failing| &failing.error_type);
        let is_class = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
        assert!(class.len() <= 64 && class.chars().all(is_class), "not a class: {class:?}");
        let timed = scene.timed(OperationType::Send, "orders", first::<B>());
        let counted = scene.counted(OperationType::Send, "orders", first::<B>());
        let (send, timed, counted) = match (&failing, result) {
            (Some(failing), _) => {
                let send = scene.unanswered(order().partition).failing(failing);
                (send, failed(timed, failing), failed(counted, failing))
            }
            (None, place) => (scene.sent(place.unwrap_or_default()), timed, counted),
        };
        scene.telemetry.assert_spans([send]);
        let was_sent = failing.is_none() || fault == Fault::Fail;
        let messages = was_sent.then(|| sent_messages(vec![(1, counted)]));
        let duration = operation_duration(vec![(1, timed)]);
        scene.telemetry.assert_metrics([duration].into_iter().chain(messages));
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Declined(&'static str);

/// Asserts that a handler's error is recorded by its type, never by its text.
async fn of_the_handler<B: Broker>() {
    let scene = Scene::<B>::new().await;
    scene.broker.send_foreign(vec![order(); 2]).await;
    for text in ["card 4111 is blocked", "card 4222 is blocked"] {
        let message = scene.receive().await;
        scene.telemetry.clear();
        let handler = async { Err::<(), _>(Declined(text)) };
        let result = message.as_received().process(handler).await;
        assert_eq!(result, Err(Declined(text)));
        let class = std::any::type_name::<Declined>();
        let place = B::place_of(&message);
        scene.telemetry.assert_spans([scene.processed(place).error(class, None)]);
    }
    assert_processed(&scene, std::any::type_name::<Declined>());
}

async fn renamed<B: Broker>() {
    let scene = Scene::<B>::with(|builder| {
        builder.with_error_types(|class| {
            class.as_str().ends_with("Declined").then(|| ErrorType::new("declined"))
        })
    })
    .await;
    scene.broker.send_foreign(vec![order(); 2]).await;
    let message = scene.receive().await;
    scene.telemetry.clear();
    let handler = async { Err::<(), _>(Declined("")) };
    message.as_received().process(handler).await.expect_err("the handler failed");
    let place = B::place_of(&message);
    scene.telemetry.assert_spans([scene.processed(place).error("declined", None)]);

    // The hook also maps a class that the handler returns.
    let message = scene.receive().await;
    scene.telemetry.clear();
    let classify = |(): &()| Some(Failure::new(ErrorType::new("shop.Declined")));
    message.as_received().process_classified(async {}, classify).await;
    let place = B::place_of(&message);
    scene.telemetry.assert_spans([scene.processed(place).error("declined", None)]);
    assert_processed(&scene, "declined");
}

/// Asserts that two messages were processed and failed with `class`.
#[track_caller]
fn assert_processed<B: Broker>(scene: &Scene<B>, class: &'static str) {
    let failing = Failing { error_type: class.into(), description: "".into() };
    let timed = |operation| scene.timed(operation, "orders", first::<B>());
    let counted = scene.counted(OperationType::Receive, "orders", first::<B>());
    scene.telemetry.assert_metrics([
        process_duration(vec![(2, failed(timed(OperationType::Process), &failing))]),
        operation_duration(vec![(2, timed(OperationType::Receive))]),
        super::expect::consumed_messages(vec![(2, counted)]),
    ]);
}

/// Asserts that several classes in one batch are recorded as `_OTHER`, the value of the
/// conventions, on span and metric.
async fn of_a_batch<B: Broker>() {
    let scene = Scene::<B>::new().await;
    scene.broker.send_foreign(vec![order(); 2]).await;
    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    scene.telemetry.clear();
    let result = batch.process_sync(|| {
        let mut failed = FailedMessages::new();
        failed.add(0, ErrorType::new("declined"));
        failed.add(1, ErrorType::new("late"));
        failed
    });
    let event = |class: &'static str| {
        [("exception.type", class.into()), ("exception.message", crate::attributes::any())]
    };
    scene.telemetry.assert_spans([scene
        .batch(OperationType::Process, 2)
        .event("exception", event("declined"))
        .event("exception", event("late"))
        .error("_OTHER", Some("2 messages failed"))]);
    assert_eq!(result.len(), 2);
    let failing = Failing { error_type: "_OTHER".into(), description: "".into() };
    let timed = |operation| scene.timed(operation, "orders", first::<B>());
    let counted = scene.counted(OperationType::Receive, "orders", first::<B>());
    scene.telemetry.assert_metrics([
        process_duration(vec![(1, failed(timed(OperationType::Process), &failing))]),
        operation_duration(vec![(1, timed(OperationType::Receive))]),
        super::expect::consumed_messages(vec![(2, counted)]),
    ]);
}
