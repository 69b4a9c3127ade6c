//! Header tables on the wire: what users send survives, and what others send does no harm.

use futures::StreamExt;
use otel_messaging_lapin::{
    BasicProperties, Confirmation,
    options::BasicPublishOptions,
    types::{AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable},
};

use crate::shop::Shop;

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// Every type that the broker takes.
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
    assert_eq!(sent, kept, "what the application keeps is its own");
    let delivery = consumer.next().await.unwrap().unwrap();
    let mut headers = delivery.properties.headers().clone().unwrap().inner().clone();
    let traceparent = headers.remove("traceparent").expect("it is carried");
    assert!(matches!(traceparent, AMQPValue::LongString(_)), "what all languages read");
    let mut expected = every_type().inner().clone();
    expected.retain(|name, _| !["TraceParent", "Tracestate"].contains(&name.as_str()));
    assert_eq!(headers, expected);
    let found = delivery.properties.clone().with_headers(FieldTable::default());
    assert_eq!(found, kept.with_headers(FieldTable::default()));
    assert!(delivery.creation_context().is_valid());

    // The one is measured before, the other after the context was replaced: the size is exact.
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

/// Deeper than our own code copies. Where the tables are some hundreds deep, the stack of the
/// client's own thread does not last for them, which is nothing that we could do about.
#[tokio::test(flavor = "multi_thread")]
async fn poisoned_tables_pass() {
    const DEPTH: usize = 100;
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
    headers.insert("deep".into(), deep);
    headers.insert("traceparent".into(), text("garbage"));
    let properties = BasicProperties::default().with_headers(headers.clone());
    let bare = shop.channel.get_ref();
    let (key, options) = (queue.clone(), BasicPublishOptions::default());
    let poison = bare.basic_publish("".into(), key, options, b"x", properties).await.unwrap();
    assert_eq!(poison.await, Ok(Confirmation::Ack(None)));
    let delivery = consumer.next().await.unwrap().unwrap();
    assert!(!delivery.creation_context().is_valid());
    delivery.process(async {}).await;
    // And on: it is sent as it is.
    let confirm = shop.publish_as(&queue, "x", delivery.properties.clone()).await;
    assert_eq!(confirm.await, Ok(Confirmation::Ack(None)));
    let forwarded = consumer.next().await.unwrap().unwrap();
    assert_eq!(forwarded.properties.headers(), &Some(headers));
}
