//! Request and reply.

use futures::StreamExt;
use otel_messaging_lapin::{
    BasicProperties,
    options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions},
    otel::{OperationType, semconv as core},
    semconv,
    types::{FieldTable, ShortString},
};
use otel_messaging_testing::spans::{ExpectedSpan, remote};

use crate::shop::{Shop, routed};

/// The receive span of a reply links to the span that sent it; all spans have the correlation id.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_links_to_the_replier() {
    let shop = Shop::open().await;
    let prices = shop.queue("prices").await;
    let direct: ShortString = "amq.rabbitmq.reply-to".into();
    let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let replies =
        shop.channel.basic_consume(direct.clone(), "".into(), no_ack, FieldTable::default());
    let mut replies = replies.await.unwrap();
    let mut requests = shop.consume(&prices).await;

    let properties = BasicProperties::default()
        .with_reply_to(direct.clone())
        .with_correlation_id("question 1".into());
    drop(shop.publish_as(&prices, "apples?", properties).await);
    let request = requests.next().await.unwrap().unwrap();
    let reply_to =
        request.properties.reply_to().clone().expect("the request names the reply queue");
    request
        .process(async {
            let correlation = request.properties.correlation_id().clone().unwrap();
            let properties = BasicProperties::default().with_correlation_id(correlation);
            let (key, options) = (reply_to.clone(), BasicPublishOptions::default());
            let reply = shop.channel.basic_publish("".into(), key, options, b"2.50", properties);
            drop(reply.await.unwrap());
            request.ack(BasicAckOptions::default()).await.unwrap();
        })
        .await;
    let reply = replies.next().await.unwrap().unwrap();
    assert_eq!(reply.data, b"2.50");

    let conversation = |span: ExpectedSpan| {
        span.attributes([(core::MESSAGE_CONVERSATION_ID, "question 1".into())])
    };
    let temporary =
        |span: ExpectedSpan| span.attributes([(core::DESTINATION_TEMPORARY, true.into())]);
    let name = prices.as_str();
    let answer = shop.span_unnamed("publish", OperationType::Send, reply_to.as_str());
    let answer = temporary(routed(answer, reply_to.as_str())).child_of("process");
    let routing_key = reply.routing_key.as_str();
    let answered = format!("{routing_key}:{direct}");
    let receive = shop.span_unnamed("receive", OperationType::Receive, &answered);
    let receive = temporary(routed(receive, routing_key)).linked_to(remote("answer"));
    let tag = i64::try_from(reply.delivery_tag).unwrap();
    shop.telemetry.assert_spans([
        conversation(shop.published(name, name)).label("ask"),
        conversation(shop.received(name, name, 1)).linked_to(remote("ask")),
        conversation(shop.processed(name, name, 1)).linked_to(remote("ask")).label("process"),
        conversation(answer).label("answer"),
        conversation(shop.settled("ack", name, 1)).child_of("process").linked_to(remote("ask")),
        conversation(receive).attributes([(semconv::DELIVERY_TAG, tag.into())]),
    ]);
}
