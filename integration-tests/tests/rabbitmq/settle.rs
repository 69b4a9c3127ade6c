//! Settling: on the delivery, on its acker and by tag.

use futures::StreamExt;
use otel_messaging_lapin::{
    Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions, QueueDeclareOptions},
    otel::{OperationType, semconv as core},
    semconv,
    types::{FieldTable, ShortString},
};
use otel_messaging_testing::spans::{ExpectedSpan, remote};

use crate::shop::Shop;

const MULTIPLE: BasicAckOptions = BasicAckOptions { multiple: true };

/// A shop with so many orders in its queue, whose spans are forgotten, but for their contexts.
async fn open(count: usize) -> (Shop, ShortString, Consumer) {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    for index in 0..count {
        drop(shop.publish(&queue, &index.to_string()).await);
    }
    let consumer = shop.consume(&queue).await;
    (shop, queue, consumer)
}

/// The spans of the deliveries that were taken are forgotten.
async fn take(shop: &Shop, consumer: &mut Consumer, count: usize) -> Vec<Delivery> {
    let taken: Vec<_> = consumer.by_ref().take(count).map(Result::unwrap).collect().await;
    shop.telemetry.clear();
    taken
}

fn settled(shop: &Shop, queue: &ShortString, verb: &'static str, of: &Delivery) -> ExpectedSpan {
    let tag = i64::try_from(of.delivery_tag).unwrap();
    let link = of.creation_context().span_context().clone();
    shop.settled(verb, queue.as_str(), tag).linked_to(remote(link))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_settle_has_its_span() {
    let (shop, queue, mut consumer) = open(9).await;
    let orders = take(&shop, &mut consumer, 9).await;
    let (ack, nack) = (BasicAckOptions::default(), BasicNackOptions::default());
    let reject = BasicRejectOptions::default();
    // On the delivery, on its acker, by its tag.
    orders[0].ack(ack).await.unwrap();
    orders[1].nack(nack).await.unwrap();
    orders[2].reject(reject).await.unwrap();
    orders[3].acker.ack(ack).await.unwrap();
    orders[4].acker.clone().nack(nack).await.unwrap();
    orders[5].acker.reject(reject).await.unwrap();
    shop.channel.basic_ack(orders[6].delivery_tag, ack).await.unwrap();
    shop.channel.basic_nack(orders[7].delivery_tag, nack).await.unwrap();
    shop.channel.basic_reject(orders[8].delivery_tag, reject).await.unwrap();
    let verbs = ["ack", "nack", "reject"].into_iter().cycle();
    let spans = orders.iter().zip(verbs).map(|(order, verb)| settled(&shop, &queue, verb, order));
    shop.telemetry.assert_spans(spans);
}

/// Whatever settles it, a child of what processed it.
#[tokio::test(flavor = "multi_thread")]
async fn the_acker_knows_what_processed_the_message() {
    let (shop, queue, mut consumer) = open(3).await;
    let orders = take(&shop, &mut consumer, 3).await;
    let given_away = orders[1].acker.clone();
    for order in &orders {
        order.process(async {}).await;
    }
    let options = BasicAckOptions::default();
    orders[0].ack(options).await.unwrap();
    tokio::spawn(async move { given_away.ack(options).await }).await.unwrap().unwrap();
    shop.channel.basic_ack(orders[2].delivery_tag, options).await.unwrap();
    let name = queue.as_str();
    let spans = orders.iter().zip(["0", "1", "2"]).flat_map(|(order, label)| {
        let tag = i64::try_from(order.delivery_tag).unwrap();
        let link = remote(order.creation_context().span_context().clone());
        let process = shop.processed(name, name, tag).linked_to(link).label(label);
        [process, settled(&shop, &queue, "ack", order).child_of(label)]
    });
    shop.telemetry.assert_spans(spans);
}

/// Several at once: the span says how many, unless nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn several_are_counted_where_that_is_known() {
    let (shop, queue, mut consumer) = open(12).await;
    let counted = |span: ExpectedSpan, count: i64| {
        span.attributes([(core::BATCH_MESSAGE_COUNT, count.into())])
    };
    let orders = take(&shop, &mut consumer, 12).await;
    // The second one is settled already.
    orders[1].ack(BasicAckOptions::default()).await.unwrap();
    shop.telemetry.clear();
    orders[3].ack(MULTIPLE).await.unwrap();
    shop.telemetry.assert_spans([counted(settled(&shop, &queue, "ack", &orders[3]), 3)]);
    shop.telemetry.clear();
    orders[4].acker.ack(MULTIPLE).await.unwrap();
    shop.telemetry.assert_spans([counted(settled(&shop, &queue, "ack", &orders[4]), 1)]);
    shop.telemetry.clear();
    let nack = BasicNackOptions { multiple: true, requeue: false };
    shop.channel.basic_nack(orders[8].delivery_tag, nack).await.unwrap();
    shop.telemetry.assert_spans([counted(settled(&shop, &queue, "nack", &orders[8]), 4)]);
    shop.telemetry.clear();
    // All that there are, of which the client may have prefetched more.
    shop.channel.basic_ack(0, MULTIPLE).await.unwrap();
    let name = format!("ack {}", shop.server());
    let all = shop.span_anywhere(name, "ack", OperationType::Settle);
    shop.telemetry.assert_spans([all.attributes([(semconv::DELIVERY_TAG, 0.into())])]);
}

/// What another consumer of the channel has prefetched is settled too, and nobody has counted it.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_saw_is_not_counted() {
    let (shop, queue, mut consumer) = open(0).await;
    let other_queue = shop.queue("bills").await;
    let _other = shop.consume(&other_queue).await;
    shop.confirming().await;
    for queue in [&queue, &other_queue, &queue] {
        shop.publish(queue, "x").await.await.unwrap();
        // It is on its way to the client before the next one is.
        let passive = || {
            let options = QueueDeclareOptions::exclusive().passive();
            shop.channel.queue_declare(queue.clone(), options, FieldTable::default())
        };
        while passive().await.unwrap().message_count() > 0 {}
    }
    let orders = take(&shop, &mut consumer, 2).await;
    orders[1].ack(MULTIPLE).await.unwrap();
    assert_eq!(orders[1].delivery_tag, 3);
    shop.telemetry.assert_spans([settled(&shop, &queue, "ack", &orders[1])]);
}

/// As the client answers: what is settled already is not settled again, and what the channel took
/// with it cannot be.
#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_poisoned_ackers_answer_as_the_clients() {
    let (shop, queue, mut consumer) = open(2).await;
    let orders = take(&shop, &mut consumer, 2).await;
    let options = BasicAckOptions::default();
    assert_eq!(orders[0].ack(options).await, Ok(true));
    assert_eq!(orders[0].ack(options).await, Ok(false));
    assert_eq!(orders[0].acker.nack(BasicNackOptions::default()).await, Ok(false));
    let once = || settled(&shop, &queue, "ack", &orders[0]);
    shop.telemetry.assert_spans([once()]);
    shop.channel.close(200, "done".into()).await.unwrap();
    assert!(orders[1].acker.poisoned() && !orders[1].usable());
    assert_eq!(orders[1].ack(options).await, Ok(false));
    let poisoned = settled(&shop, &queue, "ack", &orders[1]).error("poisoned", None);
    let error = shop.channel.basic_ack(2, options).await.expect_err("the channel is closed");
    let closed = shop
        .span_anywhere(format!("ack {}", shop.server()), "ack", OperationType::Settle)
        .attributes([(semconv::DELIVERY_TAG, 2.into())])
        .error("InvalidChannelState", Some(&error.to_string()));
    shop.telemetry.assert_spans([once(), poisoned, closed]);
}

/// A tag that was never given closes the channel.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_tag_is_the_brokers_to_refuse() {
    let (shop, _, mut consumer) = open(0).await;
    let options = BasicAckOptions::default();
    // It is written, and that is all the client waits for.
    shop.channel.basic_ack(77, options).await.unwrap();
    let error = consumer.next().await.unwrap().expect_err("the channel is closed").to_string();
    let settle = shop.span_anywhere(format!("ack {}", shop.server()), "ack", OperationType::Settle);
    let receive = format!("receive {}", shop.server());
    let receive = shop.span_anywhere(receive, "receive", OperationType::Receive);
    shop.telemetry.assert_spans([
        settle.attributes([(semconv::DELIVERY_TAG, 77.into())]),
        receive.error("PRECONDITION_FAILED", Some(&error)),
    ]);
}
