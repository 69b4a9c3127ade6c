use opentelemetry::{KeyValue, trace::SpanKind};
use opentelemetry_sdk::trace::SamplingDecision;
use otel_messaging_core::{
    AsReceived as _, InstrumentationBuilder, OperationType, ProcessParent, semconv,
};

use super::{
    Broker, Outgoing, Place,
    expect::Attributes,
    scene::{Scene, foreign, foreign_context, order},
};
use crate::{
    attributes::any,
    spans::{ExpectedSpan, remote},
    telemetry::{SeenBySampler, Telemetry},
};

/// Message keys, headers, sizes and the ids of creation contexts are recorded only if the
/// application enables them.
pub async fn r21_off_until_asked_for<B: Broker>() {
    recorded::<B>(|builder| builder, &[]).await;
    recorded::<B>(|builder| builder.with_message_keys(true), &[What::Key]).await;
    recorded::<B>(|builder| builder.with_message_sizes(true), &[What::Sizes]).await;
    let captured: fn(InstrumentationBuilder) -> InstrumentationBuilder =
        |builder| builder.with_captured_headers(["X-Shop", "absent"]);
    recorded::<B>(captured, &[What::Header]).await;
    values_that_are_not_text_are_left_out::<B>().await;
    ids_of_the_creation_context::<B>().await;
    in_a_batch_on_the_links::<B>().await;
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Key,
    Sizes,
    Header,
}

const BODY: &str = "7 apples";

fn message() -> Outgoing {
    let headers = [("X-Shop", "north"), ("secret", "not to be seen")];
    let message = order().with_headers(headers).with_body(BODY);
    Outgoing { key: Some(b"customer 7".to_vec()), ..message }
}

fn asked_for<B: Broker>(what: &[What]) -> Attributes {
    let mut attributes = Attributes::new();
    if what.contains(&What::Key) {
        attributes.extend(B::SYSTEM.key_attribute().map(|key| (key, "customer 7".into())));
    }
    if what.contains(&What::Sizes) {
        let size = i64::try_from(BODY.len()).expect("a short body");
        attributes.push((semconv::MESSAGE_BODY_SIZE, size.into()));
        attributes.extend(B::ENVELOPE_SIZE.then(|| (semconv::MESSAGE_ENVELOPE_SIZE, any())));
    }
    if what.contains(&What::Header) {
        attributes.push(("messaging.header.x-shop", vec!["north"].into()));
    }
    attributes
}

async fn recorded<B: Broker>(
    ask: fn(InstrumentationBuilder) -> InstrumentationBuilder,
    what: &[What],
) {
    let scene = Scene::<B>::with(ask).await;
    let place = scene.send(message()).await;
    let received = scene.receive().await;
    received.as_received().process(async {}).await;
    scene.broker.settle(&received).await.expect("the message is settled");
    let (attributes, linked) = (|| asked_for::<B>(what), || remote("send"));
    let (sent, place) = (place, B::place_of(&received));
    let spans = [
        scene.sent(sent).label("send").attributes(attributes()),
        scene.received(place).linked_to(linked()).attributes(attributes()),
        scene.processed(place).label("process").linked_to(linked()).attributes(attributes()),
    ];
    // Settle spans have none: the process span of the message has them.
    let settled = scene.settled(place).map(|settled| settled.child_of("process"));
    let settled = settled.map(|settled| settled.linked_to(linked()));
    scene.telemetry.assert_spans(spans.into_iter().chain(settled));
}

async fn values_that_are_not_text_are_left_out<B: Broker>() {
    let scene = Scene::<B>::with(|builder| {
        builder.with_message_keys(true).with_captured_headers(["binary", "null"])
    })
    .await;
    let mut message = order();
    message.key = Some(vec![0xff, 0xfe]);
    if B::HEADERS.binary {
        message.headers.push(("binary".to_owned(), Some(vec![0xff])));
    }
    if B::HEADERS.null {
        message.headers.push(("null".to_owned(), None));
    }
    let place = scene.send(message).await;
    scene.telemetry.assert_spans([scene.sent(place)]);
}

/// Asserts that the process span of a single message has the ids that its link has, that samplers see
/// them, and that no other span has them.
async fn ids_of_the_creation_context<B: Broker>() {
    for parent in [ProcessParent::Ambient, ProcessParent::CreationContext, ProcessParent::Root] {
        let sampler = SeenBySampler::new(SamplingDecision::RecordAndSample);
        let telemetry = Telemetry::builder().with_sampler(sampler.clone());
        let scene = Scene::<B>::on(telemetry, |builder| {
            builder.with_creation_context_attributes(true).with_process_parent(parent)
        })
        .await;
        // Without a creation context there are no ids.
        let message = scene.receive_foreign(order()).await;
        scene.within("loop", message.as_received().process(async {})).await;
        let message = order().with_headers([("traceparent", foreign(1))]);
        let message = scene.receive_foreign(message).await;
        scene.within("loop", message.as_received().process(async {})).await;
        scene.broker.settle(&message).await.expect("the message is settled");
        scene.broker.send_foreign(vec![order().with_headers([("traceparent", foreign(1))])]).await;
        let batch = scene.broker.receive_batch(1).await.expect("a batch is received");
        batch.process(async {}).await;
        let context = foreign_context(1);
        let ids: Vec<_> = sampler
            .seen()
            .into_iter()
            .flat_map(|seen| seen.attributes.into_iter().map(move |id| (seen.kind.clone(), id)))
            .filter(|(_, attribute)| attribute.key.as_str().contains("creation_context"))
            .collect();
        let expected = [
            KeyValue::new(semconv::CREATION_CONTEXT_TRACE_ID, context.trace_id().to_string()),
            KeyValue::new(semconv::CREATION_CONTEXT_SPAN_ID, context.span_id().to_string()),
        ];
        assert_eq!(ids, expected.map(|id| (SpanKind::Consumer, id)), "with {parent:?}");
    }
}

/// Asserts that a batch has these attributes on the message's link and on its create span.
async fn in_a_batch_on_the_links<B: Broker>() {
    let all = [What::Key, What::Sizes, What::Header];
    let scene = Scene::<B>::with(|builder| {
        builder.with_message_keys(true).with_message_sizes(true).with_captured_headers(["X-Shop"])
    })
    .await;
    let carrying = |id| message().with_headers([("traceparent", foreign(id))]);
    scene.broker.send_foreign(vec![carrying(1), carrying(2)]).await;
    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    batch.process(async {}).await;
    let linked = |span: ExpectedSpan, operation, place: Place, id| {
        let mut attributes = asked_for::<B>(&all);
        attributes.extend(scene.position_attribute(operation, place));
        span.link_with(remote(foreign_context(id)), attributes)
    };
    scene.telemetry.assert_spans([OperationType::Receive, OperationType::Process].map(
        |operation| {
            batch.iter().zip(1..).fold(scene.batch(operation, 2), |span, (message, id)| {
                linked(span, operation, B::place_of(message), id)
            })
        },
    ));
    scene.telemetry.clear();
    scene.broker.send_batch(vec![message()]).await;
    scene.telemetry.assert_spans([
        scene.created().label("create").attributes(asked_for::<B>(&all)),
        scene.sent_batch(1).linked_to("create"),
    ]);
}
