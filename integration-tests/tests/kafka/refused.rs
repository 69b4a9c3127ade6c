//! Records and topics that the broker refuses.

use otel_messaging_rdkafka::{
    Message,
    error::{KafkaError, RDKafkaErrorCode},
    otel::semconv,
    producer::FutureRecord,
    semconv as kafka,
};
use otel_messaging_testing::spans::ExpectedSpan;

use crate::{
    shop::{Shop, labels},
    support::{PATIENCE, durations, failed, sent},
};

/// The client takes the record, and the topic's limit refuses it.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_brokers_limit_is_a_failed_send() {
    let shop = Shop::open_with(1, &[("max.message.bytes", "100000")]).await;
    let producer = shop.clients.producer();
    let body = vec![b'x'; 200_000];
    let record = || FutureRecord::<str, [u8]>::to(&shop.orders).partition(0);
    let (error, returned) =
        producer.send(record().payload(&body), PATIENCE).await.expect_err("it is too large");
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::MessageSizeTooLarge));
    assert_eq!(returned.payload(), Some(&body[..]), "the message comes back");
    producer.send(record().payload(&body[..1000]), PATIENCE).await.expect("this one is not");

    shop.clients.telemetry.assert_spans([
        failed_send(&shop, &shop.orders, RDKafkaErrorCode::MessageSizeTooLarge),
        shop.clients.send(&shop.orders, 0, 0),
    ]);
    let points = [
        (1, failed("MessageSizeTooLarge", labels(&shop, kafka::SEND))),
        (1, labels(&shop, kafka::SEND)),
    ];
    shop.clients.telemetry.assert_metrics([sent(points.clone()), durations(points)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_does_not_exist_is_a_failed_send() {
    let shop = Shop::open(1).await;
    let mut config = shop.clients.config();
    // Some clusters create the topics that a producer asks for, unless it says not to.
    config.set("allow.auto.create.topics", "false").set("topic.metadata.propagation.max.ms", "1");
    let producer = shop.clients.producer_with(&config);
    let missing = shop.topics.full_name("missing");
    let record = FutureRecord::<str, str>::to(&missing).partition(0).payload("nowhere");
    let (error, _) = producer.send(record, PATIENCE).await.expect_err("there is no such topic");
    let code = RDKafkaErrorCode::UnknownTopicOrPartition;
    assert_eq!(error.rdkafka_error_code(), Some(code));
    shop.clients.telemetry.assert_spans([failed_send(&shop, &missing, code)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_does_not_exist_is_a_failed_receive() {
    let shop = Shop::open(1).await;
    let missing = shop.topics.full_name("missing");
    // In the newer protocol the broker assigns no partition and returns no error.
    let mut config = shop.consumer_config();
    let config = config.set("group.protocol", "classic");
    let consumer = shop.clients.consumer_with(config, &missing);
    let error = consumer.recv().await.expect_err("there is no such topic");
    let code = RDKafkaErrorCode::UnknownTopicOrPartition;
    assert_eq!(error.rdkafka_error_code(), Some(code));
    let failed = shop.clients.span(kafka::POLL, None);
    let failed = failed.error("UnknownTopicOrPartition", Some(&error.to_string()));
    shop.clients.telemetry.assert_spans([failed]);
}

fn failed_send(shop: &Shop, topic: &str, code: RDKafkaErrorCode) -> ExpectedSpan {
    let description = KafkaError::MessageProduction(code).to_string();
    shop.clients
        .span(kafka::SEND, Some(topic))
        .attributes([(semconv::DESTINATION_PARTITION_ID, "0".into())])
        .error(format!("{code:?}"), Some(&description))
}
