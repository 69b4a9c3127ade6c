//! A retry with a delay queue and a dead-letter queue, followed from end to end.

use futures::StreamExt;
use opentelemetry::trace::SpanContext;
use otel_messaging_lapin::{
    options::{BasicAckOptions, BasicNackOptions, BasicPublishOptions, BasicRejectOptions},
    types::{AMQPValue, FieldTable},
};
use otel_messaging_testing::spans::remote;

use crate::shop::Shop;

fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert(key.into(), value);
    }
    table
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// An order that fails is refused and so goes to the delay queue, from which the broker brings it
/// back when its time is over. After three attempts it is published to the dead-letter queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_followed_to_the_dead_letter_queue() {
    let shop = Shop::open().await;
    let (orders, later) = (shop.name("orders"), shop.name("orders.later"));
    let to_default = || ("x-dead-letter-exchange", text(""));
    let refused = table([to_default(), ("x-dead-letter-routing-key", text(&later))]);
    let orders = {
        let queue = shop.queue_with("orders", refused).await;
        assert_eq!(queue.as_str(), orders);
        queue
    };
    let delayed = [
        to_default(),
        ("x-dead-letter-routing-key", text(orders.as_str())),
        ("x-message-ttl", AMQPValue::LongInt(20)),
    ];
    shop.queue_with("orders.later", table(delayed)).await;
    let dead = shop.queue("orders.dead").await;

    drop(shop.publish(&orders, "7 apples").await);
    let mut consumer = shop.consume(&orders).await;
    let mut graves = shop.consume(&dead).await;
    let name = orders.as_str();
    let mut expected = vec![shop.published(name, name).label("publish")];
    let created: SpanContext = shop.telemetry.wait_for(1)[0].span_context.clone();
    for attempt in 1..=3 {
        let order = consumer.next().await.unwrap().unwrap();
        assert_eq!(*order.creation_context().span_context(), remote_of(&created), "one context");
        let tag = i64::try_from(order.delivery_tag).unwrap();
        let process = format!("attempt {attempt}");
        expected.push(shop.received(name, name, tag).linked_to(remote("publish")));
        let handled: Result<(), std::fmt::Error> = order
            .process(async {
                if attempt < 3 {
                    order.reject(BasicRejectOptions { requeue: false }).await.unwrap();
                    return Err(std::fmt::Error);
                }
                let (key, options) = (dead.clone(), BasicPublishOptions::default());
                let properties = order.properties.clone();
                let buried =
                    shop.channel.basic_publish("".into(), key, options, &order.data, properties);
                drop(buried.await.unwrap());
                order.ack(BasicAckOptions::default()).await.unwrap();
                Ok(())
            })
            .await;
        let processed = shop.processed(name, name, tag).linked_to(remote("publish"));
        let verb = if handled.is_ok() { "ack" } else { "reject" };
        expected.push(match handled {
            Ok(()) => processed.label(process.clone()),
            Err(_) => processed.error("core::fmt::Error", None).label(process.clone()),
        });
        let settled = shop.settled(verb, name, tag).linked_to(remote("publish"));
        expected.push(settled.child_of(process));
    }
    // The message that is published again has a send span, which links to its first context.
    let grave = dead.as_str();
    let buried = shop.published(grave, grave).child_of("attempt 3").linked_to(remote("publish"));
    expected.push(buried.label("bury"));
    let corpse = graves.next().await.unwrap().unwrap();
    let tag = i64::try_from(corpse.delivery_tag).unwrap();
    expected.push(shop.received(grave, grave, tag).linked_to(remote("bury")));
    let headers = corpse.properties.headers().clone().unwrap();
    assert!(headers.contains_key("x-death"), "the broker's own headers are kept");
    shop.telemetry.assert_spans(expected);
}

/// A message that the broker delivers again has the context that it had.
#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_keeps_its_context() {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    drop(shop.publish(&queue, "7 apples").await);
    let mut consumer = shop.consume(&queue).await;
    let name = queue.as_str();
    let mut expected = vec![shop.published(name, name).label("publish")];
    for tag in 1..=2 {
        let order = consumer.next().await.unwrap().unwrap();
        assert_eq!(order.redelivered, tag == 2);
        let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        order.nack(requeue).await.unwrap();
        expected.push(shop.received(name, name, tag).linked_to(remote("publish")));
        expected.push(shop.settled("nack", name, tag).linked_to(remote("publish")));
    }
    let spans = shop.telemetry.wait_for(expected.len());
    assert_eq!(spans.len(), expected.len());
    shop.telemetry.assert_spans(expected);
}

fn remote_of(local: &SpanContext) -> SpanContext {
    let (trace, span) = (local.trace_id(), local.span_id());
    SpanContext::new(trace, span, local.trace_flags(), true, local.trace_state().clone())
}
