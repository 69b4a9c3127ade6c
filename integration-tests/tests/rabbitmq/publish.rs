//! Publishing: when a send span ends, and how.

use std::collections::HashSet;

use futures::{StreamExt, future::join_all};
use opentelemetry::trace::Status;
use otel_messaging_integration_tests::rabbitmq;
use otel_messaging_lapin::{
    BasicProperties, Confirmation, ConnectionProperties, Publish,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    otel::{ErrorType, OperationType, semconv as core},
    types::{AMQPValue, FieldTable, ShortString},
};

use otel_messaging_testing::metrics::{counter, histogram};

use crate::shop::Shop;

const MANDATORY: BasicPublishOptions = BasicPublishOptions { mandatory: true, immediate: false };

#[tokio::test(flavor = "multi_thread")]
async fn the_span_ends_with_the_confirm() {
    let shop = Shop::open().await;
    shop.confirming().await;
    let queue = shop.queue("orders").await;
    let properties = BasicProperties::default()
        .with_message_id("order 7".into())
        .with_correlation_id("basket 3".into());
    let confirm = shop.publish_as(&queue, "7 apples", properties).await;
    shop.telemetry.assert_spans([]);
    assert_eq!(confirm.await, Ok(Confirmation::Ack(None)));
    shop.telemetry.assert_spans([shop.published(queue.as_str(), queue.as_str()).attributes([
        (core::MESSAGE_ID, "order 7".into()),
        (core::MESSAGE_CONVERSATION_ID, "basket 3".into()),
    ])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_confirms_it_ends_at_the_hand_over() {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    let confirm = shop.publish(&queue, "7 apples").await;
    let publish = || shop.published(queue.as_str(), queue.as_str());
    shop.telemetry.assert_spans([publish()]);
    assert_eq!(confirm.await, Ok(Confirmation::NotRequested));
    shop.telemetry.assert_spans([publish()]);
    // In a transaction, too.
    shop.channel.tx_select().await.unwrap();
    drop(shop.publish(&queue, "7 apples").await);
    shop.channel.tx_commit().await.unwrap();
    shop.telemetry.assert_spans([publish(), publish()]);
}

/// Makes a queue that is full, and clears the spans of filling it.
async fn full_queue(shop: &Shop) -> ShortString {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let queue = shop.queue_with("full", arguments).await;
    assert_eq!(shop.publish(&queue, "first").await.await, Ok(Confirmation::Ack(None)));
    shop.telemetry.clear();
    queue
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_full_refuses() {
    let shop = Shop::open().await;
    shop.confirming().await;
    let queue = full_queue(&shop).await;
    assert_eq!(shop.publish(&queue, "second").await.await, Ok(Confirmation::Nack(None)));
    let publish = shop.published(queue.as_str(), queue.as_str());
    shop.telemetry.assert_spans([publish.error("nack", None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_has_failed() {
    let shop = Shop::open().await;
    shop.confirming().await;
    let nowhere = shop.name("nowhere");
    let (key, properties) = (nowhere.as_str().into(), BasicProperties::default());
    let publish = shop.channel.basic_publish("".into(), key, MANDATORY, b"x", properties);
    let returned = publish.await.unwrap().await.unwrap().take_message().expect("it comes back");
    assert_eq!((returned.reply_code, returned.data.as_slice()), (312, &b"x"[..]));
    let publish = shop.published(&nowhere, &nowhere);
    shop.telemetry.assert_spans([publish.error("NO_ROUTE", Some("NO_ROUTE"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_is_not_there_closes_the_channel() {
    let shop = Shop::open().await;
    shop.confirming().await;
    let nowhere = shop.name("nowhere");
    let publish = || {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let exchange = nowhere.as_str().into();
        shop.channel.basic_publish(exchange, "new".into(), options, b"x", properties)
    };
    let error = publish().await.unwrap().await.expect_err("there is no such exchange");
    let name = format!("{nowhere}:new");
    let not_found = shop.published(&name, "new").error("NOT_FOUND", Some(&error.to_string()));
    shop.telemetry.assert_spans([not_found]);
    shop.telemetry.clear();
    // The client refuses the next message.
    let error = publish().await.expect_err("the channel is closed");
    let refused = shop.published(&name, "new");
    let refused = refused.error("InvalidChannelState", Some(&error.to_string()));
    shop.telemetry.assert_spans([refused]);
}

/// A confirm that is dropped ends its span, and drops the client's confirm.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_confirm_is_collected_by_the_client() {
    let shop = Shop::open().await;
    shop.confirming().await;
    let nowhere = shop.name("nowhere");
    let properties = BasicProperties::default;
    for _ in 0..2 {
        let key = nowhere.as_str().into();
        let publish = shop.channel.basic_publish("".into(), key, MANDATORY, b"x", properties());
        drop(publish.await.unwrap());
    }
    let publish = || shop.published(&nowhere, &nowhere);
    shop.telemetry.assert_spans([publish(), publish()]);
    let ours = shop.channel.wait_for_confirms().await.unwrap().len();
    let bare = shop.channel.get_ref();
    for _ in 0..2 {
        let key = nowhere.as_str().into();
        drop(bare.basic_publish("".into(), key, MANDATORY, b"x", properties()).await.unwrap());
    }
    assert_eq!(ours, 2);
    assert_eq!(ours, bare.wait_for_confirms().await.unwrap().len());
    shop.telemetry.assert_spans([publish(), publish()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn confirms_under_load() {
    const COUNT: usize = 2000;
    let shop = Shop::open().await;
    shop.confirming().await;
    let queue = shop.queue("orders").await;
    let bodies: Vec<String> = (0..COUNT).map(|index| index.to_string()).collect();
    let sends = bodies.iter().map(async |body| shop.publish(&queue, body).await.await);
    for confirmed in join_all(sends).await {
        assert_eq!(confirmed, Ok(Confirmation::Ack(None)));
    }
    let sends = shop.telemetry.wait_for(COUNT);
    assert_eq!(sends.len(), COUNT);
    assert!(sends.iter().all(|send| send.status == Status::Unset));
    let sent: HashSet<_> = sends.iter().map(|send| send.span_context.span_id()).collect();
    let deliveries: Vec<_> = shop.consume(&queue).await.take(COUNT).collect().await;
    let linked = deliveries
        .iter()
        .map(|delivery| delivery.as_ref().unwrap().creation_context().span_context().span_id());
    assert_eq!(linked.collect::<HashSet<_>>(), sent, "each message carries its own send");
}

/// The send span of a batch has an event for each message that failed.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_says_which_failed() {
    let shop = Shop::open().await;
    shop.confirming().await;
    let queue = shop.queue("orders").await;
    let full = full_queue(&shop).await;
    let publish = |queue: &ShortString| Publish {
        routing_key: queue.clone(),
        payload: b"x",
        ..Publish::default()
    };
    let results = shop.channel.basic_publish_batch([publish(&queue), publish(&full)]).await;
    assert_eq!(results, [Ok(Confirmation::Ack(None)), Ok(Confirmation::Nack(None))]);
    let create = |key: &str| shop.span("create", OperationType::Create, key);
    let event =
        [("exception.type", "nack".into()), ("exception.message", "message 1 of the batch".into())];
    let send = shop
        .span_anywhere(format!("publish {}", shop.server()), "publish", OperationType::Send)
        .kind(opentelemetry::trace::SpanKind::Client)
        .attributes([(core::BATCH_MESSAGE_COUNT, 2.into())])
        .linked_to("1")
        .linked_to("2")
        .event("exception", event)
        .error("nack", Some("1 messages failed"));
    shop.telemetry.assert_spans([
        create(queue.as_str()).label("1"),
        create(full.as_str()).label("2"),
        send,
    ]);
}

/// Counts as sent what the client took before a batch was dropped, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_dropped_was_sent_in_part() {
    const COUNT: u32 = 1000;
    let shop = Shop::open().await;
    shop.confirming().await;
    let queue = shop.queue("orders").await;
    let publish = || Publish { routing_key: queue.clone(), payload: b"x", ..Publish::default() };
    let mut sending = Box::pin(shop.channel.basic_publish_batch((0..COUNT).map(|_| publish())));
    assert!(futures::poll!(sending.as_mut()).is_pending());
    drop(sending);
    assert!(shop.channel.wait_for_confirms().await.unwrap().is_empty());
    let options = QueueDeclareOptions::exclusive().passive();
    let declared = shop.channel.queue_declare(queue.clone(), options, FieldTable::default());
    let taken = declared.await.unwrap().message_count();
    assert!((1..COUNT).contains(&taken), "{taken}");
    let spans = shop.telemetry.spans();
    let send = spans.iter().find(|span| span.name.starts_with("publish")).unwrap();
    assert_eq!(send.status, Status::error(format!("{} messages failed", COUNT - taken)));

    let common = |error: Option<&'static str>| {
        let name = queue.as_str().to_owned();
        let mut attributes = shop.measured("publish");
        attributes.push((core::DESTINATION_NAME, name.into()));
        attributes.extend(error.map(|error| (core::ERROR_TYPE, error.into())));
        attributes
    };
    let mut timed = common(Some(ErrorType::CANCELLED.as_str()));
    timed.push((core::OPERATION_TYPE, "send".into()));
    shop.telemetry.assert_metrics([
        counter(core::CLIENT_SENT_MESSAGES).unit("{message}").point(taken.into(), common(None)),
        histogram(core::CLIENT_OPERATION_DURATION)
            .unit("s")
            .boundaries(&core::DURATION_BOUNDARIES)
            .point(1, timed),
    ]);
}

/// A context is left out if the headers would not fit the connection's frames with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_context_that_does_not_fit_is_left_out() {
    let uri = format!("{}?frame_max=4096", rabbitmq());
    let shop = Shop::open_at(&uri, ConnectionProperties::default(), |builder| builder).await;
    shop.confirming().await;
    let queue = shop.queue("orders").await;
    let mut consumer = shop.consume(&queue).await;
    // The frame, the content and the properties; then the table and its one entry.
    let largest = 4096 - (8 + 12 + 2) - 4 - (1 + "filler".len() + 1 + 4);
    // A name, a type, a length and a value.
    let context = (1 + "traceparent".len() + 1 + 4) + 55;
    for (filler, carries) in
        [(largest, false), (largest - context, true), (largest - context + 1, false)]
    {
        let mut headers = FieldTable::default();
        let value = AMQPValue::LongString(vec![b'x'; filler].into());
        headers.insert("filler".into(), value.clone());
        let properties = BasicProperties::default().with_headers(headers);
        let confirm = shop.publish_as(&queue, "x", properties).await;
        assert_eq!(confirm.await, Ok(Confirmation::Ack(None)), "the connection survives");
        let delivery = consumer.next().await.unwrap().unwrap();
        let headers = delivery.properties.headers().clone().unwrap();
        assert_eq!(headers.contains_key("traceparent"), carries, "{filler}");
        assert_eq!(headers.inner().get("filler"), Some(&value));
        assert_eq!(delivery.creation_context().is_valid(), carries);
    }
    let channel = shop.connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
}
