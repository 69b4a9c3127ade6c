use std::{
    future::{pending, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use lapin::{
    Error, ErrorKind,
    types::{AMQPValue, FieldTable},
};
use opentelemetry::trace::SpanKind;
use otel_messaging_core::{Instrumentation, OperationType, semconv as core};
use otel_messaging_testing::{
    attributes::ExpectedValue,
    metrics::{counter, histogram},
    rungs::Rung,
    spans::{ExpectedSpan, span},
    telemetry::Telemetry,
};

use super::*;
use crate::{
    destination::{Names, Queues},
    outgoing::Outgoing,
    shared::Shared,
};

/// Makes a connection whose frames are the smallest.
fn connection(telemetry: &Telemetry) -> Shared {
    let instrumentation = Instrumentation::builder()
        .with_tracer_provider(telemetry.tracer_provider())
        .with_meter_provider(telemetry.meter_provider())
        .with_message_sizes(true)
        .build();
    Shared::new(None, None, &instrumentation)
}

fn outgoing(connection: &Shared, headers: FieldTable) -> Outgoing<'static, '_> {
    let properties = BasicProperties::default().with_headers(headers);
    let publish = Publish { properties, routing_key: "q".into(), ..Publish::default() };
    Outgoing { publish, name: Names::default().published("", "q", &Queues::default()), connection }
}

/// Publishes a message and polls once. `call` is what the client does.
fn publish(
    connection: &Shared,
    call: impl Future<Output = Result<lapin::PublisherConfirm>>,
) -> Poll<Result<PublisherConfirm>> {
    let mut outgoing = outgoing(connection, FieldTable::default());
    let operation = connection.instrumenter.send(semconv::PUBLISH, &mut outgoing);
    let end = |published| end(true, published);
    let publishing = Call::new(|| (HandOver::new(call, Some(operation)), end));
    pin!(publishing).poll(&mut Context::from_waker(Waker::noop()))
}

fn attributes(verb: &'static str, operation: OperationType) -> Vec<(&'static str, ExpectedValue)> {
    vec![
        (core::SYSTEM, "rabbitmq".into()),
        (core::OPERATION_NAME, verb.into()),
        (core::OPERATION_TYPE, operation.as_str().into()),
        (core::DESTINATION_NAME, "q".into()),
    ]
}

fn sent(verb: &'static str, operation: OperationType, size: usize) -> ExpectedSpan {
    let size = i64::try_from(size).unwrap();
    span(format!("{verb} q"))
        .kind(SpanKind::Producer)
        .attributes(attributes(verb, operation))
        .attributes([
            (core::MESSAGE_BODY_SIZE, 0.into()),
            (core::MESSAGE_ENVELOPE_SIZE, size.into()),
        ])
}

/// The size of properties with an empty table: the flags and the length of the table.
const EMPTY: usize = 2 + 4;
/// The size of the context in a table: a name, a type, a length and a value.
const TRACEPARENT: usize = (1 + "traceparent".len()) + 1 + 4 + 55;

/// The header is a name, a value and a table; then come the attributes and the span.
#[test]
fn a_publish_allocates_its_header_and_its_span() {
    let found = Rung::ALL.map(|rung| {
        let connection = Shared::new(None, None, &rung.instrumentation());
        let instrumenter = &connection.instrumenter;
        let mut messages: Vec<_> =
            (0..20).map(|_| outgoing(&connection, FieldTable::default())).collect();
        let mut last = messages.pop().unwrap();
        for message in &mut messages {
            instrumenter.send(semconv::PUBLISH, message).end();
        }
        measure(|| instrumenter.send(semconv::PUBLISH, &mut last).end()).count_total
    });
    assert_eq!(found, [0, 0, 0, 5, 6]);
}

#[test]
fn a_publish_counts_as_sent_once_the_client_has_taken_it() {
    let telemetry = Telemetry::new();
    let connection = connection(&telemetry);
    let published = || {
        let published = sent("publish", OperationType::Send, EMPTY);
        published.attributes([(semconv::ROUTING_KEY, "q".into())])
    };
    let error = Error::from(ErrorKind::ChannelsLimitReached);
    let description = error.to_string();
    let refused = publish(&connection, ready(Err(error.clone())));
    assert_eq!(refused.map(Result::err), Poll::Ready(Some(error)));
    let class = "ChannelsLimitReached";
    telemetry.assert_spans([published().error(class, Some(&description))]);
    telemetry.clear();
    assert!(publish(&connection, pending()).is_pending());
    telemetry.assert_spans([published()]);

    let mut failed = attributes("publish", OperationType::Send);
    failed.push((core::ERROR_TYPE, class.into()));
    let duration = histogram(core::CLIENT_OPERATION_DURATION).unit("s");
    let mut counted = attributes("publish", OperationType::Send);
    counted.retain(|(key, _)| *key != core::OPERATION_TYPE);
    telemetry.assert_metrics([
        duration
            .boundaries(&core::DURATION_BOUNDARIES)
            .point(1, failed)
            .point(1, attributes("publish", OperationType::Send)),
        counter(core::CLIENT_SENT_MESSAGES).unit("{message}").point(1, counted),
    ]);
}

#[test]
fn a_context_is_written_where_the_headers_fit_a_frame() {
    let telemetry = Telemetry::new();
    let connection = connection(&telemetry);
    let filler = |value| {
        let mut headers = FieldTable::default();
        headers.insert("filler".into(), AMQPValue::LongString(vec![b'x'; value].into()));
        outgoing(&connection, headers)
    };
    let entry = (1 + "filler".len()) + 1 + 4;
    let largest = 4096 - (8 + 12) - EMPTY - entry - TRACEPARENT;
    for (value, fits) in [(largest, true), (largest + 1, false)] {
        let mut message = filler(value);
        let published = connection.instrumenter.send(semconv::PUBLISH, &mut message);
        published.end();
        let headers = message.publish.properties.headers().as_ref().unwrap();
        assert_eq!(headers.contains_key("traceparent"), fits, "{value}");
        telemetry.clear();
    }
}

#[test]
fn a_batch_creates_messages_without_their_routing_key() {
    let telemetry = Telemetry::new();
    let connection = connection(&telemetry);
    let mut messages = [outgoing(&connection, FieldTable::default())];
    connection
        .instrumenter
        .send_batch(semconv::PUBLISH, &mut messages)
        .for_each(ActiveOperation::end);
    let create = sent("create", OperationType::Create, EMPTY).label("create");
    let publish = span("publish q")
        .kind(SpanKind::Client)
        .attributes(attributes("publish", OperationType::Send))
        .attributes([(semconv::ROUTING_KEY, "q".into()), (core::BATCH_MESSAGE_COUNT, 1.into())])
        .linked_to("create");
    telemetry.assert_spans([create, publish]);
}
