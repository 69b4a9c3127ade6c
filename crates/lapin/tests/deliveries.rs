//! Deliveries without a broker: how they are described, processed and settled.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

use std::{collections::BTreeMap, future::Pending};

use opentelemetry::trace::SpanKind;
use otel_messaging_lapin::{
    Acker, BasicProperties, Batches, Channel, Connection, ConnectionProperties, Consumer, Publish,
    PublisherConfirm, bare,
    message::{BasicGetMessage, Delivery},
    options::{
        BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, BasicRejectOptions,
    },
    otel::{Batch, CreationContext, InstrumentationBuilder, Instrumenter, semconv as core},
    semconv,
    types::{AMQPValue, DecimalValue, FieldArray, FieldTable, LongString},
};
use otel_messaging_testing::{
    attributes::ExpectedValue,
    faults::Panics,
    spans::{ExpectedSpan, remote, span},
    telemetry::Telemetry,
};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn creation() -> CreationContext {
    CreationContext::from_map([("traceparent", TRACEPARENT)])
}

fn instrumenter(
    telemetry: &Telemetry,
    choose: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
) -> Instrumenter {
    Instrumenter::builder(semconv::SYSTEM)
        .server("::1", Some(5672))
        .build(&choose(telemetry.instrumentation()).build())
}

fn mock(exchange: &str, routing_key: &str, headers: FieldTable) -> bare::message::Delivery {
    let (exchange, routing_key) = (exchange.into(), routing_key.into());
    let mut delivery = bare::message::Delivery::mock(7, exchange, routing_key, false, b"x".into());
    delivery.properties = BasicProperties::default().with_headers(headers);
    delivery
}

fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let entries = entries.into_iter().map(|(key, value)| (key.into(), value));
    entries.collect::<BTreeMap<_, _>>().into()
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn expected(
    verb: &'static str,
    kind: &'static str,
    destination: &str,
    routing_key: &str,
) -> ExpectedSpan {
    let span_kind = if kind == "process" { SpanKind::Consumer } else { SpanKind::Client };
    let mut attributes: Vec<(_, ExpectedValue)> = vec![
        (core::SYSTEM, "rabbitmq".into()),
        (core::OPERATION_NAME, verb.into()),
        (core::OPERATION_TYPE, kind.into()),
        (core::DESTINATION_NAME, destination.to_owned().into()),
        (core::SERVER_ADDRESS, "::1".into()),
        (core::SERVER_PORT, 5672.into()),
        (semconv::DELIVERY_TAG, 7.into()),
    ];
    if kind != "settle" && !routing_key.is_empty() {
        attributes.push((semconv::ROUTING_KEY, routing_key.to_owned().into()));
    }
    span(format!("{verb} {destination}")).kind(span_kind).attributes(attributes)
}

/// Composes names as the conventions' table for consumers says.
#[tokio::test]
async fn names_are_composed_as_the_conventions_say() {
    let telemetry = Telemetry::new();
    let instrumenter = instrumenter(&telemetry, |builder| builder);
    for (exchange, routing_key, queue, name) in [
        ("direct_logs", "warning", "my_queue", "direct_logs:warning:my_queue"),
        ("direct_logs", "warning", "warning", "direct_logs:warning"),
        ("logs", "", "q", "logs:q"),
        ("", "my_queue", "my_queue", "my_queue"),
        ("", "key", "my_queue", "key:my_queue"),
        ("", "", "q", "q"),
        ("", "", "", "amq.default"),
        ("a:b", ":", "c", "a:b:::c"),
    ] {
        let delivery = Delivery::from_bare(
            mock(exchange, routing_key, FieldTable::default()),
            queue.into(),
            &instrumenter,
        );
        delivery.process(async {}).await;
        telemetry.assert_spans([expected("process", "process", name, routing_key)]);
        telemetry.clear();
    }
}

#[tokio::test]
async fn a_context_is_found_in_every_form_that_others_write() {
    let telemetry = Telemetry::new();
    let instrumenter = instrumenter(&telemetry, |builder| builder);
    for (name, value) in [
        ("traceparent", text(TRACEPARENT)),
        ("traceparent", AMQPValue::ByteArray(TRACEPARENT.as_bytes().into())),
        ("traceparent", AMQPValue::ShortString(TRACEPARENT.into())),
        ("Traceparent", text(TRACEPARENT)),
        ("TRACEPARENT", text(TRACEPARENT)),
    ] {
        let headers = table([(name, value), ("other", AMQPValue::Void)]);
        let delivery = Delivery::from_bare(mock("", "q", headers), "q".into(), &instrumenter);
        assert_eq!(*delivery.creation_context(), creation(), "{name}");
        delivery.process(async {}).await;
        let link = remote(creation().span_context().clone());
        telemetry.assert_spans([expected("process", "process", "q", "q").linked_to(link)]);
        telemetry.clear();
    }
}

/// Processes a delivery whatever its headers hold, and leaves it as it was.
#[tokio::test]
async fn poisoned_headers_are_no_context_and_no_harm() {
    let telemetry = Telemetry::new();
    let instrumenter = instrumenter(&telemetry, |builder| {
        builder.with_message_sizes(true).with_captured_headers(["traceparent", "tracestate"])
    });
    let nested = || AMQPValue::FieldTable(table([("traceparent", text(TRACEPARENT))]));
    let decimal = DecimalValue { scale: 255, value: u32::MAX };
    for value in [
        AMQPValue::Boolean(true),
        AMQPValue::ShortShortInt(i8::MIN),
        AMQPValue::ShortShortUInt(u8::MAX),
        AMQPValue::ShortInt(i16::MIN),
        AMQPValue::ShortUInt(u16::MAX),
        AMQPValue::LongInt(i32::MIN),
        AMQPValue::LongUInt(u32::MAX),
        AMQPValue::LongLongInt(i64::MIN),
        AMQPValue::Float(f32::NAN),
        AMQPValue::Double(f64::INFINITY),
        AMQPValue::DecimalValue(decimal),
        AMQPValue::LongString(LongString::from(vec![0xff; 55])),
        AMQPValue::LongString(LongString::from(Vec::new())),
        AMQPValue::ByteArray(vec![0; 100_000].into()),
        AMQPValue::FieldArray(FieldArray::from(vec![text(TRACEPARENT), nested()])),
        AMQPValue::Timestamp(u64::MAX),
        nested(),
        AMQPValue::Void,
    ] {
        let headers = table([("traceparent", value.clone()), ("tracestate", value.clone())]);
        let mut delivery = mock("", "q", headers.clone());
        let long = "é".repeat(127);
        delivery.properties = delivery
            .properties
            .with_message_id("".into())
            .with_correlation_id(long.as_str().into())
            .with_timestamp(u64::MAX);
        let delivery = Delivery::from_bare(delivery, "q".into(), &instrumenter);
        assert!(!delivery.creation_context().is_valid());
        let result: Result<(), std::fmt::Error> = delivery.process(async { Ok(()) }).await;
        assert_eq!(result, Ok(()));
        let spans = telemetry.spans();
        assert_eq!(spans.len(), 1);
        assert!(spans[0].links.links.is_empty());
        let conversation = spans[0]
            .attributes
            .iter()
            .find(|attribute| attribute.key.as_str() == core::MESSAGE_CONVERSATION_ID);
        assert_eq!(conversation.unwrap().value.as_str(), long);
        // Compared as text, as NaN does not equal itself.
        let (found, sent) = (delivery.properties.headers(), Some(headers));
        assert_eq!(format!("{found:?}"), format!("{sent:?}"));
        telemetry.clear();
    }
}

/// Settles by the acker, when the delivery itself is gone.
#[tokio::test]
async fn an_acker_knows_its_message() {
    let telemetry = Telemetry::new();
    let instrumenter = instrumenter(&telemetry, |builder| builder);
    for verb in ["ack", "nack", "reject"] {
        let headers = table([("traceparent", text(TRACEPARENT))]);
        let mut delivery = mock("shop", "", headers);
        delivery.properties = delivery.properties.with_message_id("order 7".into());
        let delivery = Delivery::from_bare(delivery, "q".into(), &instrumenter);
        let acker = delivery.acker.clone();
        delivery.process(async {}).await;
        let first = telemetry.spans()[0].span_context.clone();
        delivery.process(async {}).await;
        telemetry.clear();
        drop(delivery);
        let settled = match verb {
            "ack" => acker.ack(BasicAckOptions::default()).await,
            "nack" => acker.nack(BasicNackOptions::default()).await,
            _ => acker.reject(BasicRejectOptions::default()).await,
        };
        assert_eq!(settled, Ok(true));
        assert_eq!(acker.ack(BasicAckOptions::default()).await, Ok(false));
        let settle = expected(verb, "settle", "shop:q", "").child_of(first);
        let settle = settle.attributes([(core::MESSAGE_ID, "order 7".into())]);
        telemetry.assert_spans([settle.linked_to(remote(creation().span_context().clone()))]);
        telemetry.clear();
    }
}

/// Settles the delivery itself.
#[tokio::test]
async fn settling_is_linked_and_a_child_of_the_first_processing() {
    let telemetry = Telemetry::new();
    let instrumenter = instrumenter(&telemetry, |builder| builder);
    for verb in ["ack", "nack", "reject"] {
        let headers = table([("traceparent", text(TRACEPARENT))]);
        let delivery = Delivery::from_bare(mock("shop", "", headers), "q".into(), &instrumenter);
        delivery.process(async {}).await;
        let first = telemetry.spans()[0].span_context.clone();
        // The second process span is not the parent.
        delivery.process(async {}).await;
        telemetry.clear();
        let settled = match verb {
            "ack" => delivery.ack(BasicAckOptions::default()).await,
            "nack" => delivery.nack(BasicNackOptions::default()).await,
            _ => delivery.reject(BasicRejectOptions::default()).await,
        };
        assert_eq!(settled, Ok(true));
        assert_eq!(delivery.acker.ack(BasicAckOptions::default()).await, Ok(false));
        let settle = expected(verb, "settle", "shop:q", "").child_of(first);
        telemetry.assert_spans([settle.linked_to(remote(creation().span_context().clone()))]);
        telemetry.clear();
    }
}

#[tokio::test]
async fn a_propagator_that_panics_costs_the_context_only() {
    let telemetry = Telemetry::new();
    let instrumenter = instrumenter(&telemetry, |builder| Panics::InPropagator.choose(builder));
    let headers = table([("traceparent", text(TRACEPARENT))]);
    let delivery = Delivery::from_bare(mock("", "q", headers), "q".into(), &instrumenter);
    assert!(!delivery.creation_context().is_valid());
    delivery.process(async {}).await;
    assert_eq!(delivery.ack(BasicAckOptions::default()).await, Ok(true));
    telemetry.assert_spans([
        expected("process", "process", "q", "q").label("process"),
        expected("ack", "settle", "q", "q").child_of("process"),
    ]);
}

/// Reads, changes and moves out the client's fields.
#[tokio::test]
async fn a_delivery_is_the_clients_own_in_every_other_respect() {
    let instrumenter = Instrumenter::disabled();
    let headers = table([("traceparent", text(TRACEPARENT))]);
    let mut delivery = Delivery::from_bare(mock("shop", "new", headers), "q".into(), &instrumenter);
    assert!(!delivery.creation_context().is_valid(), "it is not read");
    delivery.data.push(b'y');
    delivery.redelivered = true;
    let data = std::mem::take(&mut delivery.data);
    assert_eq!(data, b"xy");
    assert!(delivery.usable());
    let bare::message::Delivery { delivery_tag, exchange, redelivered, .. } = delivery.into_inner();
    assert_eq!((delivery_tag, exchange.as_str(), redelivered), (7, "shop", true));
    let mocked = Delivery::mock(7, "shop".into(), "new".into(), false, Vec::new());
    assert_eq!(mocked.ack(BasicAckOptions::default()).await, Ok(true));
    let foreign = bare::message::Delivery::mock(7, "shop".into(), "".into(), false, Vec::new());
    let foreign = Delivery::from(foreign);
    assert_eq!(foreign.process(async { Ok::<_, ()>(foreign.delivery_tag) }).await, Ok(7));
    assert_eq!(foreign.acker.ack(BasicAckOptions::default()).await, Ok(true));
    let batch: Batch<Delivery> = [mocked].into_iter().collect();
    let handled: Result<usize, std::fmt::Error> = batch.process(async { Ok(batch.len()) }).await;
    assert_eq!(handled, Ok(1));
}

/// Checks that values can be sent to other tasks and shared between threads, as the client's can.
#[test]
fn everything_can_be_sent_and_shared() {
    fn is<T: Send + Sync + Unpin + 'static>() {}
    fn is_send<T: Send>(_: T) {}
    is::<Acker>();
    is::<BasicGetMessage>();
    is::<Batches<Pending<()>>>();
    is::<Channel>();
    is::<Connection>();
    is::<Consumer>();
    is::<Delivery>();
    is::<PublisherConfirm>();
    let _ = |channel: &Channel, delivery: &Delivery| {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        is_send(channel.basic_publish("".into(), "".into(), options, b"", properties));
        is_send(channel.basic_publish_batch([Publish::default()]));
        is_send(channel.basic_get("".into(), BasicGetOptions::default()));
        is_send(channel.basic_ack(1, BasicAckOptions::default()));
        is_send(delivery.ack(BasicAckOptions::default()));
        is_send(Connection::connect("", ConnectionProperties::default()));
    };
}
