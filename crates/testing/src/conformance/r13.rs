use opentelemetry::{Context, context::FutureExt as _};
use otel_messaging_core::{AsReceived as _, OperationType, ProcessParent};

use super::{
    Broker,
    scene::{Scene, foreign, foreign_context, order},
};
use crate::spans::{remote, span};

/// A process span always links to the creation context, even if that is its parent. The application
/// chooses the parent.
pub async fn r13_the_creation_context_is_always_linked<B: Broker>() {
    for parent in [
        ProcessParent::Ambient,
        ProcessParent::CreationContextIfNoAmbient,
        ProcessParent::CreationContext,
    ] {
        let scene = Scene::<B>::with(|builder| builder.with_process_parent(parent)).await;
        with_ambient(&scene, parent).await;
        without_ambient(&scene, parent).await;
        without_creation_context(&scene).await;
        batches_have_the_ambient_parent(&scene).await;
    }
    // Code that sets no parent gets `Ambient`.
    assert_eq!(ProcessParent::default(), ProcessParent::Ambient);
    let scene = Scene::<B>::new().await;
    with_ambient(&scene, ProcessParent::Ambient).await;
    without_ambient(&scene, ProcessParent::Ambient).await;
}

async fn with_ambient<B: Broker>(scene: &Scene<B>, parent: ProcessParent) {
    let message = order().with_headers([("traceparent", foreign(1))]);
    let message = scene.receive_foreign(message).await;
    scene.telemetry.clear();
    scene.within("loop", message.as_received().process(async {})).await;
    let process = scene.processed(B::place_of(&message)).linked_to(remote(foreign_context(1)));
    let process = match parent {
        ProcessParent::CreationContext => {
            process.child_of(remote(foreign_context(1))).linked_to("loop")
        }
        _ => process.child_of("loop"),
    };
    scene.telemetry.assert_spans([span("loop").label("loop"), process]);
}

async fn without_ambient<B: Broker>(scene: &Scene<B>, parent: ProcessParent) {
    let message = order().with_headers([("traceparent", foreign(2))]);
    let message = scene.receive_foreign(message).await;
    scene.telemetry.clear();
    message.as_received().process(async {}).with_context(Context::new()).await;
    let process = scene.processed(B::place_of(&message)).linked_to(remote(foreign_context(2)));
    let process = match parent {
        ProcessParent::Ambient => process.root(),
        _ => process.child_of(remote(foreign_context(2))),
    };
    let spans = scene.telemetry.assert_spans([process]);
    let same_trace = spans[0].span_context.trace_id() == foreign_context(2).trace_id();
    assert_eq!(same_trace, parent != ProcessParent::Ambient);
}

async fn without_creation_context<B: Broker>(scene: &Scene<B>) {
    let message = scene.receive_foreign(order()).await;
    scene.telemetry.clear();
    scene.within("loop", message.as_received().process(async {})).await;
    message.as_received().process(async {}).await;
    let process = || scene.processed(B::place_of(&message));
    scene.telemetry.assert_spans([
        span("loop").label("loop"),
        process().child_of("loop"),
        process().root(),
    ]);
}

async fn batches_have_the_ambient_parent<B: Broker>(scene: &Scene<B>) {
    let message = |id| order().with_headers([("traceparent", foreign(id))]);
    scene.broker.send_foreign(vec![message(1), message(2)]).await;
    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    scene.telemetry.clear();
    scene.within("loop", batch.process(async {})).await;
    batch.process(async {}).await;
    let process = || {
        let process = scene.batch(OperationType::Process, 2);
        batch.iter().zip(1..).fold(process, |process, (message, id)| {
            let position = scene.position_attribute(OperationType::Process, B::place_of(message));
            process.link_with(remote(foreign_context(id)), position)
        })
    };
    scene.telemetry.assert_spans([
        span("loop").label("loop"),
        process().child_of("loop"),
        process().root(),
    ]);
}
