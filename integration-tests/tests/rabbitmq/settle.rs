//! Settling: on the delivery, on its acker and by tag.

use futures::{FutureExt, StreamExt};
use otel_messaging_lapin::{
    BasicProperties, Consumer,
    message::Delivery,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions,
        BasicNackOptions, BasicPublishOptions, BasicRejectOptions, QueueDeclareOptions,
    },
    otel::{OperationType, semconv as core},
    semconv,
    types::{FieldTable, ShortString},
};
use otel_messaging_testing::{
    attributes::ExpectedValue,
    metrics::{counter, histogram},
    spans::{ExpectedSpan, remote},
};

use crate::shop::Shop;

const MULTIPLE: BasicAckOptions = BasicAckOptions { multiple: true };

/// Opens a shop with `count` orders in its queue.
async fn open(count: usize) -> (Shop, ShortString, Consumer) {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    for index in 0..count {
        drop(shop.publish(&queue, &index.to_string()).await);
    }
    let consumer = shop.consume(&queue).await;
    (shop, queue, consumer)
}

/// Receives orders, and clears all spans so far.
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
    // By the delivery, by its acker, by its tag.
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

/// A settlement is a child of the span that processed the message, by whatever way it is settled.
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

/// The span of several settlements says how many, where that is known.
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
    // All deliveries, and the client may have prefetched more.
    shop.channel.basic_ack(0, MULTIPLE).await.unwrap();
    let name = format!("ack {}", shop.server());
    let all = shop.span_anywhere(name, "ack", OperationType::Settle);
    shop.telemetry.assert_spans([all.attributes([(semconv::DELIVERY_TAG, 0.into())])]);
}

/// Deliveries that another consumer of the channel has prefetched are settled too, but not known.
#[tokio::test(flavor = "multi_thread")]
async fn prefetched_deliveries_are_not_counted() {
    let (shop, queue, mut consumer) = open(0).await;
    let other_queue = shop.queue("bills").await;
    let _other = shop.consume(&other_queue).await;
    shop.confirming().await;
    for queue in [&queue, &other_queue, &queue] {
        shop.publish(queue, "x").await.await.unwrap();
        // The tags are given in this order.
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

/// Answers as the client does, to a second settlement and after the channel has closed.
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
    // An acker alone has no link: its tag may be another delivery's by now.
    assert_eq!(orders[1].acker.ack(options).await, Ok(false));
    let alone = shop.settled("ack", queue.as_str(), 2).error("poisoned", None);
    let error = shop.channel.basic_ack(2, options).await.expect_err("the channel is closed");
    let closed = settled(&shop, &queue, "ack", &orders[1]);
    let closed = closed.error("InvalidChannelState", Some(&error.to_string()));
    shop.telemetry.assert_spans([once(), poisoned, alone, closed]);
}

/// A settlement that is dropped after its first poll reaches the broker; its span has no error.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_settlement_was_handed_over() {
    let (shop, queue, mut consumer) = open(10).await;
    let orders = take(&shop, &mut consumer, 10).await;
    let (ack, nack) = (BasicAckOptions::default(), BasicNackOptions::default());
    let reject = BasicRejectOptions::default();
    let channel = &shop.channel;
    drop_polled(orders[0].ack(ack));
    drop_polled(orders[1].nack(nack));
    drop_polled(orders[2].reject(reject));
    drop_polled(orders[3].acker.ack(ack));
    drop_polled(orders[4].acker.nack(nack));
    drop_polled(orders[5].acker.reject(reject));
    drop_polled(channel.basic_ack(orders[6].delivery_tag, ack));
    drop_polled(channel.basic_nack(orders[7].delivery_tag, nack));
    drop_polled(channel.basic_reject(orders[8].delivery_tag, reject));
    // The client writes settlements in their order.
    orders[9].ack(ack).await.unwrap();
    let verbs = ["ack", "nack", "reject"].into_iter().cycle();
    let spans = orders.iter().zip(verbs).map(|(order, verb)| settled(&shop, &queue, verb, order));
    shop.telemetry.assert_spans(spans);
    // The broker requeues what is not settled.
    shop.channel.close(200, "done".into()).await.unwrap();
    let other = shop.connection.get_ref().create_channel().await.unwrap();
    let rest = other.basic_get(queue, BasicGetOptions::default()).await.unwrap();
    assert_eq!(rest.map(|rest| rest.delivery.data), None);
}

/// Polls a future once, and drops it.
fn drop_polled(future: impl Future) {
    future.now_or_never();
}

/// Deliveries of a consumer without acknowledgements are settled already, and not counted.
#[tokio::test(flavor = "multi_thread")]
async fn deliveries_without_acknowledgements_are_not_counted() {
    let (shop, queue, mut consumer) = open(1).await;
    let order = take(&shop, &mut consumer, 1).await.remove(0);
    shop.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await.unwrap();
    drop(shop.publish(&queue, "bill").await);
    let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let table = FieldTable::default();
    let unsettled = shop.channel.basic_consume(queue.clone(), "".into(), no_ack, table).await;
    let bill = take(&shop, &mut unsettled.unwrap(), 1).await.remove(0);
    assert_eq!(bill.delivery_tag, 2);
    shop.channel.basic_ack(2, MULTIPLE).await.unwrap();
    let all = shop.span_anywhere(format!("ack {}", shop.server()), "ack", OperationType::Settle);
    shop.telemetry.assert_spans([
        all.attributes([(semconv::DELIVERY_TAG, 2.into()), (core::BATCH_MESSAGE_COUNT, 1.into())])
    ]);
    drop(order);
}

/// Without settle spans the metrics stay: by tag, they do not name the destination.
#[tokio::test(flavor = "multi_thread")]
async fn settlements_without_spans_are_measured() {
    let shop = Shop::open_with(|builder| builder.with_settle_spans(false)).await;
    let queue = shop.queue("orders").await;
    for _ in 0..3 {
        drop(
            shop.channel
                .get_ref()
                .basic_publish(
                    "".into(),
                    queue.clone(),
                    BasicPublishOptions::default(),
                    b"x",
                    BasicProperties::default(),
                )
                .await
                .unwrap(),
        );
    }
    let mut consumer = shop.consume(&queue).await;
    let orders = take(&shop, &mut consumer, 3).await;
    let ack = BasicAckOptions::default();
    orders[0].ack(ack).await.unwrap();
    orders[1].acker.clone().ack(ack).await.unwrap();
    shop.channel.basic_ack(orders[2].delivery_tag, ack).await.unwrap();
    shop.telemetry.assert_spans([]);
    let named = |verb, operation: OperationType| {
        let mut attributes = by_tag(&shop, verb, operation);
        attributes.push((core::DESTINATION_NAME, queue.as_str().to_owned().into()));
        attributes
    };
    let duration = histogram(core::CLIENT_OPERATION_DURATION).unit("s");
    let mut counted = named("receive", OperationType::Receive);
    counted.retain(|(key, _)| *key != core::OPERATION_TYPE);
    shop.telemetry.assert_metrics([
        duration
            .boundaries(&core::DURATION_BOUNDARIES)
            .point(3, named("receive", OperationType::Receive))
            .point(2, named("ack", OperationType::Settle))
            .point(1, by_tag(&shop, "ack", OperationType::Settle)),
        counter(core::CLIENT_CONSUMED_MESSAGES).unit("{message}").point(3, counted),
    ]);
}

fn by_tag(
    shop: &Shop,
    verb: &'static str,
    operation: OperationType,
) -> Vec<(&'static str, ExpectedValue)> {
    let mut attributes = shop.measured(verb);
    attributes.push((core::OPERATION_TYPE, operation.as_str().into()));
    attributes
}

/// The broker closes the channel for a tag that it never gave.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_tag_is_the_brokers_to_refuse() {
    let (shop, _, mut consumer) = open(0).await;
    let options = BasicAckOptions::default();
    // The client waits until it is written, and not for an answer.
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
