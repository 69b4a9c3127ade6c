//! Tests what the core gives each client crate, on the toy client: streams, batches, and the forms
//! of `process`.

use std::{future::pending, time::Duration};

use futures::{FutureExt as _, StreamExt as _};
use opentelemetry::trace::SpanKind;
use otel_messaging_core::{
    Destination, Instrumentation, Instrumenter, Operation, OperationType, Received, System,
    client::Message as _, semconv,
};
use otel_messaging_testing::{
    attributes::ExpectedValue,
    spans::{ExpectedSpan, remote, span},
    telemetry::Telemetry,
    toy::{Broker, Consumer, Fault, Message, Record},
};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct Scene {
    telemetry: Telemetry,
    broker: Broker,
    consumer: Consumer,
}

fn scene() -> Scene {
    let (telemetry, broker) = (Telemetry::new(), Broker::new(1));
    let consumer = Consumer::new(&broker, ["orders"], &instrumentation(&telemetry));
    Scene { telemetry, broker, consumer }
}

fn instrumentation(telemetry: &Telemetry) -> Instrumentation {
    Instrumentation::builder()
        .with_tracer_provider(telemetry.tracer_provider())
        .with_meter_provider(telemetry.meter_provider())
        .build()
}

impl Scene {
    async fn store(&self, body: &str) {
        let headers = vec![("traceparent".to_owned(), Some(TRACEPARENT.into()))];
        let record = Record { headers, ..Record::new("orders", body) };
        let stored = self.broker.store(record).await;
        assert!(stored.is_ok(), "{stored:?}");
    }
}

fn names(telemetry: &Telemetry) -> Vec<String> {
    telemetry.spans().into_iter().map(|span| span.name.to_string()).collect()
}

#[tokio::test]
async fn a_stream_has_a_receive_span_for_each_message() {
    let scene = scene();
    let mut messages = scene.consumer.messages();
    for expected in ["7 apples", "3 pears"] {
        scene.store(expected).await;
        assert_eq!(messages.next().await.unwrap().unwrap().body, expected.as_bytes());
    }
    let spans = scene.telemetry.spans();
    assert_eq!(names(&scene.telemetry), ["fetch orders", "fetch orders"]);
    assert!(spans[0].end_time <= spans[1].start_time, "the clock restarts with each message");
    // A status is handed over, but is neither counted nor linked.
    scene.store("").await;
    assert_eq!(messages.next().await.unwrap().unwrap().body, b"");
    assert_eq!(scene.telemetry.spans().len(), 2);
    scene.broker.inject(Fault::FetchFailed);
    assert_eq!(messages.next().await.unwrap().unwrap_err(), Fault::FetchFailed);
    assert_eq!(scene.telemetry.spans().len(), 3);
}

#[tokio::test]
async fn batches_have_one_receive_span_and_keep_a_status_apart() {
    let scene = scene();
    let mut messages = scene.consumer.messages();
    let mut batches = messages.batches(2, Duration::MAX, |_| pending::<()>());
    for body in ["1", "2", "3"] {
        scene.store(body).await;
    }
    assert_eq!(batches.next().await.unwrap().unwrap().len(), 2);
    scene.store("").await;
    let bodies = |batch: otel_messaging_core::Batch<Message>| {
        batch.iter().map(|message| message.body.clone()).collect::<Vec<_>>()
    };
    assert_eq!(bodies(batches.next().await.unwrap().unwrap()), [b"3"]);
    assert_eq!(bodies(batches.next().await.unwrap().unwrap()), [b""]);
    assert_eq!(
        names(&scene.telemetry),
        ["fetch orders", "fetch orders"],
        "a status has no receive span"
    );
    scene.broker.inject(Fault::FetchFailed);
    assert_eq!(batches.next().await.unwrap().unwrap_err(), Fault::FetchFailed);
    scene.store("4").await;
    // Collected messages remain if the future that waits for the batch is dropped.
    assert!(batches.next().now_or_never().is_none());
    assert_eq!(bodies(batches.flush().unwrap()), [b"4"]);
    assert!(batches.flush().is_none());
    let spans = scene.telemetry.spans();
    assert_eq!(spans.len(), 4);
    assert!(spans[0].end_time <= spans[1].start_time, "the clock restarts with each batch");
}

#[tokio::test]
async fn a_message_is_processed_by_value() {
    let scene = scene();
    scene.store("7 apples").await;
    let order = scene.consumer.receive().await.unwrap();
    scene.telemetry.clear();
    let handle = |order: Message| async move { order.body.len() == 8 };
    let handled =
        order.process_with(|order| async { if handle(order).await { Ok(()) } else { Err(()) } });
    assert_eq!(handled.await, Ok(()));
    assert_eq!(names(&scene.telemetry), ["process orders"]);
}

/// A message with a subject, and the wildcard subject that it was received by as template.
#[derive(Clone)]
struct Routed(&'static str, Option<&'static str>);

impl otel_messaging_core::client::Message for Routed {
    fn destination(&self) -> Destination<'_> {
        let destination = Destination::new(self.0);
        self.1.map_or(destination, |template| destination.with_template(template))
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        (name == "traceparent").then_some(TRACEPARENT.as_bytes())
    }
}

/// Asserts that an operation on several destinations is named after the template that all share.
/// Without one, it is named after the fallback, or else after the server.
#[test]
fn r20_a_batch_of_several_destinations_is_named_after_what_they_share() {
    const SYSTEM: System = System::new("bare", "bare", "1");
    let receive = Operation::new(OperationType::Receive, "receive");
    let telemetry = Telemetry::builder()
        .expecting_scope(
            opentelemetry::InstrumentationScope::builder("bare")
                .with_version("1")
                .with_schema_url(semconv::SCHEMA_URL)
                .build(),
        )
        .build();
    let bare = || Instrumenter::builder(SYSTEM).server("here", None);
    let cases = [
        (bare(), Some("orders.>"), "receive orders.>", (semconv::DESTINATION_TEMPLATE, "orders.>")),
        (
            bare().fallback_destination("ORDERS"),
            None,
            "receive ORDERS",
            (semconv::DESTINATION_NAME, "ORDERS"),
        ),
        (bare(), None, "receive here", (semconv::SERVER_ADDRESS, "here")),
    ];
    for (builder, template, name, attribute) in cases {
        let instrumenter = builder.build(&instrumentation(&telemetry));
        let routed = |name| instrumenter.extract(Routed(name, template));
        let batch: Vec<Received<Routed>> = vec![routed("orders.north"), routed("orders.south")];
        assert_eq!(batch[0].get_ref().destination().template(), template);
        instrumenter.receive_batch(receive, instrumenter.clock(), &batch);
        let linked = |span: ExpectedSpan, name: &'static str| {
            let creation = batch[0].creation_context().span_context();
            span.link_with(remote(creation), [(semconv::DESTINATION_NAME, name.into())])
        };
        let mut attributes: Vec<(&str, ExpectedValue)> = vec![
            (semconv::SYSTEM, "bare".into()),
            (semconv::OPERATION_NAME, "receive".into()),
            (semconv::OPERATION_TYPE, "receive".into()),
            (semconv::BATCH_MESSAGE_COUNT, 2.into()),
            (semconv::SERVER_ADDRESS, "here".into()),
        ];
        attributes.retain(|(key, _)| *key != attribute.0);
        let expected = span(name).kind(SpanKind::Client).attributes(attributes);
        let expected = expected.attributes([(attribute.0, attribute.1.into())]);
        telemetry.assert_spans([linked(linked(expected, "orders.north"), "orders.south")]);
        telemetry.clear();
    }
}
