use opentelemetry::KeyValue;
use otel_messaging_core::{Batch, ErrorType, FailedMessages, OperationType, semconv};

use super::{
    Broker, Outgoing, Place,
    expect::{Attributes, partition_attribute},
    scene::{Scene, foreign, foreign_context, order},
};
use crate::{
    attributes::any,
    spans::{ExpectedSpan, remote},
};

/// A batch makes one span with a link for each message that has a context. The span has the
/// attributes that are equal for all messages, the links those that vary.
pub async fn r14_a_batch_is_one_span_with_a_link_each<B: Broker>() {
    varying_values_are_on_the_links::<B>().await;
    partitions_may_vary::<B>().await;
    destinations_may_vary::<B>().await;
    one_message_has_all_in_common::<B>().await;
    the_application_may_add_link_attributes::<B>().await;
    some_messages_failed::<B>().await;
}

const OPERATIONS: [OperationType; 2] = [OperationType::Receive, OperationType::Process];

fn carrying(id: usize) -> Outgoing {
    order().with_headers([("traceparent", foreign(id))])
}

/// Sends these messages, then receives and processes them as a batch.
async fn batch_of<B: Broker>(scene: &Scene<B>, messages: Vec<Outgoing>) -> Batch<B::Message<'_>> {
    let count = messages.len();
    scene.broker.send_foreign(messages).await;
    let batch = scene.broker.receive_batch(count).await.expect("a batch is received");
    batch.process(async {}).await;
    batch
}

/// Expects a link for each message of a batch, with `attributes`. The message's body is the number
/// of the foreign context.
fn linked<B: Broker>(
    span: ExpectedSpan,
    batch: &[B::Message<'_>],
    attributes: impl Fn(Place, &str) -> Attributes,
) -> ExpectedSpan {
    batch.iter().fold(span, |span, message| {
        let body = String::from_utf8(B::body_of(message)).expect("the body is text");
        let id = body.parse().expect("the body is the context's number");
        span.link_with(remote(foreign_context(id)), attributes(B::place_of(message), &body))
    })
}

async fn varying_values_are_on_the_links<B: Broker>() {
    let scene = Scene::<B>::new().await;
    // The message in the middle has no context.
    let batch = batch_of(&scene, vec![carrying(1), order(), carrying(3)]).await;
    let spans = OPERATIONS.map(|operation| {
        let link = |span: ExpectedSpan, id: usize| {
            let place = B::place_of(&batch[id - 1]);
            span.link_with(remote(foreign_context(id)), scene.position_attribute(operation, place))
        };
        link(link(scene.batch(operation, 3), 1), 3).links_in_order()
    });
    scene.telemetry.assert_spans(spans);
}

async fn partitions_may_vary<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let messages = (0..4).map(|id: u32| {
        let message = Outgoing::new("orders").with_partition(id % 2).with_body(id.to_string());
        message.with_headers([("traceparent", foreign(id as usize))])
    });
    let batch = batch_of(&scene, messages.collect()).await;
    let partitions = batch.iter().map(|message| B::place_of(message).partition);
    let expected: &[_] = if B::PARTITIONS { &[Some(0), Some(1)] } else { &[None] };
    assert!(expected.iter().all(|one| partitions.clone().any(|other| other == *one)));
    scene.telemetry.assert_spans(OPERATIONS.map(|operation| {
        let span = scene.span(operation, "orders");
        let span = span.attributes([(semconv::BATCH_MESSAGE_COUNT, 4.into())]);
        linked::<B>(span, &batch, |place, _| {
            let mut attributes = scene.position_attribute(operation, place);
            attributes.extend(partition_attribute(place));
            attributes
        })
    }));
}

async fn destinations_may_vary<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let message = |destination: &'static str, id: usize| {
        let message = Outgoing::new(destination).with_partition(0).with_body(id.to_string());
        message.with_headers([("traceparent", foreign(id))])
    };
    let messages = vec![message("orders", 1), message("bills", 2), message("bills", 3)];
    let batch = batch_of(&scene, messages).await;
    scene.telemetry.assert_spans(OPERATIONS.map(|operation| {
        let span = scene.span_unnamed_batch(operation, 3);
        let span = span.kind(match operation {
            OperationType::Process => opentelemetry::trace::SpanKind::Consumer,
            _ => opentelemetry::trace::SpanKind::Client,
        });
        let positions: Vec<_> = batch.iter().map(|message| B::place_of(message).position).collect();
        assert_eq!(positions.len(), 3);
        linked::<B>(span, &batch, |place, body| {
            let name = if body == "1" { "orders" } else { "bills" };
            let name = scene.broker.destination(operation, name);
            let mut attributes = scene.position_attribute(operation, place);
            attributes.push((semconv::DESTINATION_NAME, name.into()));
            attributes.extend(partition_attribute(place));
            attributes
        })
    }));
}

/// Asserts that a batch of one message has all attributes on its span.
async fn one_message_has_all_in_common<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let batch = batch_of(&scene, vec![carrying(1)]).await;
    let place = B::place_of(&batch[0]);
    scene.telemetry.assert_spans(OPERATIONS.map(|operation| {
        scene
            .batch(operation, 1)
            .attributes(scene.position_attribute(operation, place))
            .linked_to(remote(foreign_context(1)))
    }));
}

async fn the_application_may_add_link_attributes<B: Broker>() {
    let scene = Scene::<B>::new().await;
    scene.broker.send_foreign(vec![carrying(1).with_body("1"), carrying(2).with_body("2")]).await;
    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    scene.telemetry.clear();
    let batch: Vec<_> = batch.into_vec();
    let batch: Batch<_> = batch.into();
    let batch = batch.with_link_attributes(|message| {
        let job = String::from_utf8_lossy(&B::body_of(message)).into_owned();
        vec![KeyValue::new("job.id", job)]
    });
    batch.process(async {}).await;
    let process = scene.batch(OperationType::Process, 2);
    scene.telemetry.assert_spans([linked::<B>(process, &batch, |place, body| {
        let mut attributes = scene.position_attribute(OperationType::Process, place);
        attributes.push(("job.id", body.to_owned().into()));
        attributes
    })]);
}

/// Asserts that a handler that returns failed messages fails the span, with one event for each
/// failed message up to a limit.
async fn some_messages_failed<B: Broker>() {
    for (failed, error_types) in [(2, &["declined"][..]), (2, &["declined", "late"]), (200, &["x"])]
    {
        let scene = Scene::<B>::new().await;
        scene.broker.send_foreign(vec![order(); 3]).await;
        let batch = scene.broker.receive_batch(3).await.expect("a batch is received");
        scene.telemetry.clear();
        let error_type = |index: usize| error_types[index % error_types.len()];
        let result = batch
            .process(async {
                let mut result = FailedMessages::new();
                (0..failed).for_each(|index| result.add(index, ErrorType::new(error_type(index))));
                result
            })
            .await;
        assert_eq!(result.len(), failed, "the result is returned");
        let class = if error_types.len() == 1 { error_types[0] } else { "_OTHER" };
        let process = scene.batch(OperationType::Process, 3);
        let process = process.error(class, Some(&format!("{failed} messages failed")));
        scene.telemetry.assert_spans([(0..failed.min(128)).fold(process, |process, index| {
            let attributes =
                [("exception.type", error_type(index).into()), ("exception.message", any())];
            process.event("exception", attributes)
        })]);
    }
    // An empty list of failed messages is a success.
    let scene = Scene::<B>::new().await;
    scene.broker.send_foreign(vec![order(); 2]).await;
    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    scene.telemetry.clear();
    let result = batch.process_sync(FailedMessages::new);
    assert!(result.is_empty());
    scene.telemetry.assert_spans([scene.batch(OperationType::Process, 2)]);
}
