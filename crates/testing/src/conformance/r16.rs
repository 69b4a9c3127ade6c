use opentelemetry::{Context, context::FutureExt as _};
use otel_messaging_core::{AsReceived as _, Propagation};

use super::{
    Broker,
    scene::{Scene, creation_of, current_baggage, current_span, foreign, order, saw, with_baggage},
};

/// The handler of a message runs with the message's baggage, or with the ambient baggage if the
/// message has none. The handler of a batch runs with the ambient baggage; each message's own is in
/// its creation context.
pub async fn r16_baggage_comes_with_the_message<B: Broker>() {
    let scene = Scene::<B>::new().await;
    a_message_has_its_own_baggage(&scene).await;
    a_message_without_baggage_keeps_the_ambient_one(&scene).await;
    a_batch_has_the_ambient(&scene).await;
    baggage_is_sent_on(&scene).await;
    let off = |builder: otel_messaging_core::InstrumentationBuilder| {
        builder.with_propagator(Propagation::TraceContext)
    };
    without_baggage_in_the_propagator(&Scene::<B>::with(off).await).await;
}

fn ambient() -> Context {
    with_baggage(&Context::new(), "tenant", "ambient")
}

async fn a_message_has_its_own_baggage<B: Broker>(scene: &Scene<B>) {
    for fields in [
        vec![("traceparent", foreign(1)), ("baggage", "tenant=south".to_owned())],
        // Baggage without a span context.
        vec![("baggage", "tenant=south".to_owned())],
    ] {
        let message = scene.receive_foreign(order().with_headers(fields)).await;
        let look = || (current_baggage("tenant"), current_span().is_valid());
        let handled = message.as_received().process(saw(look)).with_context(ambient());
        assert_eq!(handled.await, Ok((Some("south".to_owned()), true)));
        let handled = message
            .as_received()
            .process_sync(|| Ok::<_, std::convert::Infallible>(current_baggage("tenant")));
        assert_eq!(handled, Ok(Some("south".to_owned())));
        assert_eq!(current_baggage("tenant"), None, "baggage is current in the handler only");
    }
}

async fn a_message_without_baggage_keeps_the_ambient_one<B: Broker>(scene: &Scene<B>) {
    let message = order().with_headers([("traceparent", foreign(1))]);
    let message = scene.receive_foreign(message).await;
    let handled = message.as_received().process(saw(|| current_baggage("tenant")));
    assert_eq!(handled.with_context(ambient()).await, Ok(Some("ambient".to_owned())));
}

async fn a_batch_has_the_ambient<B: Broker>(scene: &Scene<B>) {
    let message = |tenant: &str| {
        let baggage = format!("tenant={tenant}");
        order().with_headers([("traceparent", foreign(1)), ("baggage", baggage)])
    };
    scene.broker.send_foreign(vec![message("south"), message("east")]).await;
    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    let handled = batch.process(saw(|| current_baggage("tenant")));
    assert_eq!(handled.with_context(ambient()).await, Ok(Some("ambient".to_owned())));
    let handled = batch.process(saw(|| current_baggage("tenant")));
    assert_eq!(handled.await, Ok(None), "a batch has no baggage of one of its messages");
    let own = batch.iter().map(|message| {
        let baggage = creation_of::<B>(message).baggage().expect("the message has baggage");
        baggage.get("tenant").map(ToString::to_string)
    });
    assert_eq!(own.collect::<Vec<_>>(), [Some("south".to_owned()), Some("east".to_owned())]);
}

/// Asserts that a send inside the handler injects the baggage of the processed message.
async fn baggage_is_sent_on<B: Broker>(scene: &Scene<B>) {
    let fields = [("traceparent", foreign(1)), ("baggage", "tenant=south".to_owned())];
    let message = scene.receive_foreign(order().with_headers(fields)).await;
    let forward = scene.broker.send(order());
    message.as_received().process(forward).await.expect("the forward is sent");
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(super::scene::values(&headers, "baggage"), ["tenant=south"]);
}

async fn without_baggage_in_the_propagator<B: Broker>(scene: &Scene<B>) {
    let fields = [("traceparent", foreign(1)), ("baggage", "tenant=south".to_owned())];
    let message = scene.receive_foreign(order().with_headers(fields)).await;
    let handled = message.as_received().process(saw(|| current_baggage("tenant")));
    assert_eq!(handled.with_context(ambient()).await, Ok(Some("ambient".to_owned())));
}
