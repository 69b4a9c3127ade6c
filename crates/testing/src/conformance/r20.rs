use std::collections::BTreeSet;

use otel_messaging_core::{AsReceived as _, OperationType, semconv};

use super::{
    Broker, Outgoing,
    expect::{
        Attributes, consumed_messages, first, operation_duration, partition_attribute,
        process_duration, sent_messages, typed,
    },
    scene::{Scene, order},
};
use crate::spans::{ExpectedSpan, remote};

/// Span names and metrics contain names of destinations of low cardinality only: no temporary or
/// anonymous ones, and none beyond the limit. A template replaces a name.
pub async fn r20_names_are_of_low_cardinality<B: Broker>() {
    unnamed::<B>(B::TEMPORARY, semconv::DESTINATION_TEMPORARY, "_INBOX.x7Qk").await;
    unnamed::<B>(B::ANONYMOUS, semconv::DESTINATION_ANONYMOUS, "amq.gen-x7Qk").await;
    templates_stand_for_names::<B>().await;
    names_beyond_the_limit_are_left_out::<B>().await;
    the_limit_is_200::<B>().await;
}

/// Expects a span that has the destination in its attributes, but not in its name.
fn unlabelled<B: Broker>(scene: &Scene<B>, operation: OperationType, name: &str) -> ExpectedSpan {
    let name = scene.broker.destination(operation, name);
    scene.span_unnamed(operation).attributes([(semconv::DESTINATION_NAME, name.into())])
}

/// Returns the attributes of a metric without the destination.
fn unlabelled_metric<B: Broker>(
    scene: &Scene<B>,
    operation: OperationType,
    place: super::Place,
) -> Attributes {
    let mut attributes = scene.common(operation);
    attributes.extend(partition_attribute(place));
    attributes
}

/// Asserts that temporary or anonymous names are left out. On a system without such destinations,
/// a name that looks like one of another system is an ordinary name.
async fn unnamed<B: Broker>(
    name: Option<&'static str>,
    flag: &'static str,
    of_another_system: &'static str,
) {
    let scene = Scene::<B>::new().await;
    let place = scene.send(Outgoing::new(name.unwrap_or(of_another_system))).await;
    let (send, attributes) = match name {
        Some(name) => (
            unlabelled(&scene, OperationType::Send, name).attributes([(flag, true.into())]),
            unlabelled_metric(&scene, OperationType::Send, place),
        ),
        None => (
            scene.span(OperationType::Send, of_another_system),
            scene.counted(OperationType::Send, of_another_system, place.partition),
        ),
    };
    scene.telemetry.assert_spans([send
        .attributes(partition_attribute(place))
        .attributes(scene.position_attribute(OperationType::Send, place))]);
    scene.telemetry.assert_metrics([
        sent_messages(vec![(1, attributes.clone())]),
        operation_duration(vec![(1, typed(OperationType::Send, attributes))]),
    ]);
}

async fn templates_stand_for_names<B: Broker>() {
    let scene = Scene::<B>::with(|builder| {
        builder.with_destination_templates(|name| name.contains("orders").then(|| "{shop}".into()))
    })
    .await;
    let place = scene.send(order()).await;
    let message = scene.receive().await;
    message.as_received().process(async {}).await;
    let received = B::place_of(&message);
    let span = |operation, place| {
        let name = scene.broker.destination(operation, "orders");
        scene
            .span_named(operation, "{shop}")
            .attributes([
                (semconv::DESTINATION_NAME, name.into()),
                (semconv::DESTINATION_TEMPLATE, "{shop}".into()),
            ])
            .attributes(partition_attribute(place))
            .attributes(scene.position_attribute(operation, place))
    };
    scene.telemetry.assert_spans([
        span(OperationType::Send, place).label("send"),
        span(OperationType::Receive, received).linked_to(remote("send")),
        span(OperationType::Process, received).linked_to(remote("send")),
    ]);
    let attributes = |operation| {
        let mut attributes = unlabelled_metric(&scene, operation, place);
        attributes.push((semconv::DESTINATION_TEMPLATE, "{shop}".into()));
        attributes
    };
    let timed = |operation| (1, typed(operation, attributes(operation)));
    scene.telemetry.assert_metrics([
        sent_messages(vec![(1, attributes(OperationType::Send))]),
        consumed_messages(vec![(1, attributes(OperationType::Receive))]),
        operation_duration(vec![timed(OperationType::Send), timed(OperationType::Receive)]),
        process_duration(vec![timed(OperationType::Process)]),
    ]);
}

async fn names_beyond_the_limit_are_left_out<B: Broker>() {
    let scene = Scene::<B>::with(|builder| builder.with_destination_limit(1)).await;
    let bill = || Outgoing::new("bills").with_partition(0);
    let mut places = Vec::new();
    for message in [order(), bill(), order(), bill()] {
        places.push(scene.send(message).await);
    }
    let span = |name: &str, place| {
        let send = match name {
            "orders" => scene.span(OperationType::Send, name),
            _ => unlabelled(&scene, OperationType::Send, name),
        };
        send.attributes(partition_attribute(place))
            .attributes(scene.position_attribute(OperationType::Send, place))
    };
    let names = ["orders", "bills", "orders", "bills"];
    scene.telemetry.assert_spans(names.into_iter().zip(&places).map(|(n, place)| span(n, *place)));
    let known = scene.counted(OperationType::Send, "orders", first::<B>());
    let unknown = unlabelled_metric(&scene, OperationType::Send, places[0]);
    scene.telemetry.assert_metrics([
        sent_messages(vec![(2, known.clone()), (2, unknown.clone())]),
        operation_duration(vec![
            (2, typed(OperationType::Send, known)),
            (2, typed(OperationType::Send, unknown)),
        ]),
    ]);
}

async fn the_limit_is_200<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let messages = (0..230).map(|index| Outgoing::new(format!("shop-{index:03}")));
    scene.broker.send_batch(messages.collect()).await;
    let spans = scene.telemetry.spans();
    let created = spans.iter().filter(|span| span.name.starts_with("create "));
    let named: BTreeSet<String> = created.map(|span| span.name.to_string()).collect();
    let expected = (0..200).map(|index| {
        let name = format!("shop-{index:03}");
        format!("create {}", scene.broker.destination(OperationType::Create, &name))
    });
    assert_eq!(named, expected.collect(), "the first 200 are named");
    let unnamed = spans.iter().filter(|span| span.name == "create").count();
    assert_eq!(unnamed, 30, "the others are not named");
}
