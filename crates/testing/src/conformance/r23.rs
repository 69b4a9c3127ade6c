use otel_messaging_core::{AsReceived as _, OperationType};

use super::{
    Broker,
    expect::{consumed_messages, first, operation_duration, process_duration, sent_messages},
    scene::{Scene, foreign, order},
};

/// The scope of all spans and metrics has a name, a version and a schema URL.
pub async fn r23_the_scope_is_always_set<B: Broker>() {
    let scene = Scene::<B>::new().await;
    scene.whole_life(order()).await;
    scene.broker.send_batch(vec![order()]).await;
    scene.receive().await;
    // More links than a span keeps, so that there are child spans for links too.
    let message = |id| order().with_headers([("traceparent", foreign(id))]);
    scene.broker.send_foreign((0..130).map(message).collect()).await;
    let batch = scene.broker.receive_batch(130).await.expect("a batch is received");
    batch.process(async {}).await;
    batch[0].as_received().process(async {}).await;

    let spans = scene.telemetry.spans();
    let settle = usize::from(B::SETTLE.is_some());
    assert_eq!(spans.len(), 3 + settle + 3 + 2 * 2 + 1, "{spans:#?}");
    for span in spans {
        let scope = span.scope();
        assert_eq!(scope.name(), B::SYSTEM.scope().0, "{}", span.name);
        assert_eq!(scope.version(), Some(B::SYSTEM.scope().1), "{}", span.name);
        let schema = Some("https://opentelemetry.io/schemas/1.44.0");
        assert_eq!(scope.schema_url(), schema, "{}", span.name);
        assert_eq!(scope.attributes().count(), 0, "{}", span.name);
    }
    let timed = |operation| scene.timed(operation, "orders", first::<B>());
    let mut points = vec![(2, timed(OperationType::Send)), (3, timed(OperationType::Receive))];
    points.extend(B::SETTLE.map(|_| (1, timed(OperationType::Settle))));
    let counted = |operation| scene.counted(operation, "orders", first::<B>());
    scene.telemetry.assert_metrics([
        operation_duration(points).scope(B::scope()),
        process_duration(vec![(3, timed(OperationType::Process))]).scope(B::scope()),
        sent_messages(vec![(2, counted(OperationType::Send))]).scope(B::scope()),
        consumed_messages(vec![(132, counted(OperationType::Receive))]).scope(B::scope()),
    ]);
}
