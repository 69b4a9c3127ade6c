//! Header tables on the wire: every type survives, and nested tables are forwarded.

use futures::StreamExt;
use otel_messaging_lapin::{
    BasicProperties, Confirmation,
    options::BasicPublishOptions,
    otel::CreationContext,
    types::{AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable},
};
use otel_messaging_testing::spans::remote;

use crate::shop::Shop;

const FOREIGN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// Makes a table of every type that the broker accepts.
fn every_type() -> FieldTable {
    let mut nested = FieldTable::default();
    nested.insert("traceparent".into(), text("not a header"));
    let array = FieldArray::from(vec![text("1"), AMQPValue::FieldTable(nested.clone())]);
    let decimal = DecimalValue { scale: 2, value: 250 };
    let mut table = FieldTable::default();
    for (name, value) in [
        ("boolean", AMQPValue::Boolean(true)),
        ("i8", AMQPValue::ShortShortInt(i8::MIN)),
        ("u8", AMQPValue::ShortShortUInt(u8::MAX)),
        ("i16", AMQPValue::ShortInt(i16::MIN)),
        ("u16", AMQPValue::ShortUInt(u16::MAX)),
        ("i32", AMQPValue::LongInt(i32::MIN)),
        ("u32", AMQPValue::LongUInt(u32::MAX)),
        ("i64", AMQPValue::LongLongInt(i64::MIN)),
        ("f32", AMQPValue::Float(2.5)),
        ("f64", AMQPValue::Double(-2.5)),
        ("decimal", AMQPValue::DecimalValue(decimal)),
        ("text", text("7 äpfel")),
        ("bytes", AMQPValue::ByteArray(ByteArray::from(vec![0, 0xff]))),
        ("binary", AMQPValue::LongString(vec![0xff, 0].into())),
        ("array", AMQPValue::FieldArray(array)),
        ("time", AMQPValue::Timestamp(1_800_000_000)),
        ("table", AMQPValue::FieldTable(nested)),
        ("nothing", AMQPValue::Void),
        ("Tracestate", text("stale=1")),
        ("TraceParent", text("stale")),
    ] {
        table.insert(name.into(), value);
    }
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_every_type_survive() {
    let shop = Shop::open_with(|builder| builder.with_message_sizes(true)).await;
    shop.confirming().await;
    let queue = shop.queue("orders").await;
    let mut consumer = shop.consume(&queue).await;
    let sent = BasicProperties::default()
        .with_content_type("text/plain".into())
        .with_content_encoding("utf-8".into())
        .with_delivery_mode(1)
        .with_priority(3)
        .with_correlation_id("c".into())
        .with_reply_to("r".into())
        .with_expiration("60000".into())
        .with_message_id("m".into())
        .with_timestamp(1_800_000_000)
        .with_type("order".into())
        .with_user_id("guest".into())
        .with_app_id("shop".into())
        .with_headers(every_type());
    let kept = sent.clone();
    let confirm = shop.publish_as(&queue, "7 apples", sent.clone()).await;
    assert_eq!(confirm.await, Ok(Confirmation::Ack(None)));
    assert_eq!(sent, kept, "the application's own copy is unchanged");
    let delivery = consumer.next().await.unwrap().unwrap();
    let mut headers = delivery.properties.headers().clone().unwrap().inner().clone();
    let traceparent = headers.remove("traceparent").expect("it is carried");
    assert!(matches!(traceparent, AMQPValue::LongString(_)), "all languages read this type");
    let mut expected = every_type().inner().clone();
    expected.retain(|name, _| !["TraceParent", "Tracestate"].contains(&name.as_str()));
    assert_eq!(headers, expected);
    let found = delivery.properties.clone().with_headers(FieldTable::default());
    assert_eq!(found, kept.with_headers(FieldTable::default()));
    assert!(delivery.creation_context().is_valid());

    // The sizes are exact: one is measured before, the other after the context was replaced.
    let spans = shop.telemetry.wait_for(2);
    let size = |name: &str| {
        let span = spans.iter().find(|span| span.name.starts_with(name)).unwrap();
        let size = span
            .attributes
            .iter()
            .find(|attribute| attribute.key.as_str() == "messaging.message.envelope.size");
        size.unwrap().value.as_str().parse::<usize>().unwrap()
    };
    let entry = |name: &str, value: usize| 1 + name.len() + 1 + 4 + value;
    let stale = entry("TraceParent", "stale".len()) + entry("Tracestate", "stale=1".len());
    assert_eq!(size("publish") - stale + entry("traceparent", 55), size("receive"));
}

/// A forwarded message carries the forwarder's context, however deep its headers are nested. At
/// some 200 levels in a debug build, the client itself overflows the stack of its thread.
#[tokio::test(flavor = "multi_thread")]
async fn nested_tables_are_forwarded_with_the_new_context() {
    const DEPTH: usize = 150;
    let shop = Shop::open().await;
    shop.confirming().await;
    let queue = shop.queue("orders").await;
    let mut consumer = shop.consume(&queue).await;
    let deep = (0..DEPTH).fold(AMQPValue::Void, |inner, _| {
        let mut table = FieldTable::default();
        table.insert("d".into(), inner);
        AMQPValue::FieldTable(table)
    });
    let mut headers = FieldTable::default();
    headers.insert("deep".into(), deep.clone());
    headers.insert("traceparent".into(), text(FOREIGN));
    let properties = BasicProperties::default().with_headers(headers);
    let bare = shop.channel.get_ref();
    let (key, options) = (queue.clone(), BasicPublishOptions::default());
    let foreign = bare.basic_publish("".into(), key, options, b"x", properties).await.unwrap();
    assert_eq!(foreign.await, Ok(Confirmation::Ack(None)));
    let delivery = consumer.next().await.unwrap().unwrap();
    let created = delivery.creation_context().clone();
    assert_eq!(created, CreationContext::from_map([("traceparent", FOREIGN)]));
    shop.telemetry.clear();
    let confirm = shop.publish_as(&queue, "x", delivery.properties.clone()).await;
    assert_eq!(confirm.await, Ok(Confirmation::Ack(None)));
    let name = queue.as_str();
    let publish = shop.published(name, name).linked_to(remote(created.span_context().clone()));
    let spans = shop.telemetry.assert_spans([publish]);
    let forwarded = consumer.next().await.unwrap().unwrap();
    let headers = forwarded.properties.headers().as_ref().unwrap();
    assert_eq!(headers.inner().len(), 2);
    assert_eq!(headers.inner()["deep"], deep);
    let carried = forwarded.creation_context().span_context().span_id();
    assert_eq!(carried, spans[0].span_context.span_id());
}
