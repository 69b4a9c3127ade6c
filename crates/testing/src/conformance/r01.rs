use opentelemetry::{Context, context::FutureExt as _};
use otel_messaging_core::{AsReceived as _, Instrumentation, Propagation};

use super::{
    Broker,
    propagator::{ONE_FIELD, OneField},
    scene::{Scene, creation_of, current_baggage, foreign, order, saw, with_baggage},
};
use crate::{spans::remote, telemetry::Telemetry};

/// The builder chooses the propagator. The default is W3C Trace Context and Baggage, if no global
/// propagator is set.
pub async fn r01_propagation_is_a_choice<B: Broker>() {
    round_trip::<B>(Some(Propagation::TraceContext), &["traceparent"], None).await;
    let both = ["traceparent", "baggage"];
    round_trip::<B>(Some(Propagation::TraceContextAndBaggage), &both, Some("north")).await;
    round_trip::<B>(Some(Propagation::Global), &both, Some("north")).await;
    round_trip::<B>(Some(Propagation::custom(OneField)), &[ONE_FIELD], None).await;
    round_trip::<B>(None, &[], None).await;
    foreign_is_read::<B>(true).await;
    foreign_is_read::<B>(false).await;
    disabled_is_silent::<B>().await;
}

/// Asserts that this propagator writes these fields, and reads them back.
async fn round_trip<B: Broker>(
    propagation: Option<Propagation>,
    fields: &[&str],
    baggage: Option<&str>,
) {
    let scene = Scene::<B>::with(|builder| match propagation {
        Some(propagation) => builder.with_propagator(propagation),
        None => builder.with_propagation(false),
    })
    .await;
    let ambient = with_baggage(&Context::new(), "tenant", "north");
    scene.send(order()).with_context(ambient).await;
    let message = scene.receive().await;
    let headers = B::headers_of(&message);
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(names, fields, "the headers of the message");
    let Ok(found) = message.as_received().process(saw(|| current_baggage("tenant"))).await;
    assert_eq!(found.as_deref(), baggage, "the baggage in the handler");

    let place = B::place_of(&message);
    let (mut receive, mut process) = (scene.received(place), scene.processed(place));
    if !fields.is_empty() {
        receive = receive.linked_to(remote("send"));
        process = process.linked_to(remote("send"));
    }
    scene.telemetry.assert_spans([scene.sent(place).label("send"), receive, process]);
}

/// Asserts that the context of a foreign producer is extracted, unless propagation is off.
async fn foreign_is_read<B: Broker>(enabled: bool) {
    let scene = Scene::<B>::with(|builder| builder.with_propagation(enabled)).await;
    let message = order().with_headers([("traceparent", foreign(1))]);
    let message = scene.receive_foreign(message).await;
    assert_eq!(creation_of::<B>(&message).is_valid(), enabled, "with propagation {enabled}");
    assert_eq!(B::headers_of(&message).len(), 1, "headers are unchanged");
}

/// Asserts that disabled instrumentation neither injects nor extracts nor records, and that all
/// operations succeed.
async fn disabled_is_silent<B: Broker>() {
    let scene = Scene::<B>::start(Telemetry::builder(), |_| Instrumentation::disabled()).await;
    scene.whole_life(order()).await;
    scene.broker.send_batch(vec![order().with_headers([("traceparent", foreign(1))])]).await;
    let batch = scene.broker.receive_batch(1).await.expect("a batch is received");
    batch.process(async {}).await;
    assert_eq!(
        B::headers_of(&batch[0]),
        order().with_headers([("traceparent", foreign(1))]).headers
    );
    assert!(!creation_of::<B>(&batch[0]).is_valid());
    scene.telemetry.assert_spans([]);
    scene.telemetry.assert_metrics([]);
}
