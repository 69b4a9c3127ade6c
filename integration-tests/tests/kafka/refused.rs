//! What the broker does not take.

use opentelemetry::trace::SpanKind;
use otel_messaging_rdkafka::{
    Message,
    admin::{AdminOptions, ResourceSpecifier},
    error::RDKafkaErrorCode,
    otel::semconv,
    producer::FutureRecord,
};
use otel_messaging_testing::{
    metrics::{counter, histogram},
    spans::{ExpectedSpan, span},
};

use crate::{
    shop::{BOUNDARIES, Shop, labels},
    support::{Attribute, PATIENCE},
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

    shop.clients.telemetry.wait_for(2);
    shop.clients.telemetry.assert_spans([
        failed_send(&shop, &shop.orders, "MessageSizeTooLarge", "Broker: Message size too large"),
        shop.clients.send(&shop.orders, 0, 0),
    ]);
    let labels = |typed, error: Option<&'static str>| {
        let mut labels = labels(&shop, "send", "send", typed);
        labels.extend(error.map(|error| (semconv::ERROR_TYPE, error.into())));
        labels
    };
    let error = Some("MessageSizeTooLarge");
    shop.clients.telemetry.assert_metrics([
        counter(semconv::CLIENT_SENT_MESSAGES)
            .unit("{message}")
            .point(1, labels(false, error))
            .point(1, labels(false, None)),
        histogram(semconv::CLIENT_OPERATION_DURATION)
            .unit("s")
            .boundaries(&BOUNDARIES)
            .point(1, labels(true, error))
            .point(1, labels(true, None)),
    ]);
}

/// Unless the cluster makes topics by itself, which ours do not.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_does_not_exist_is_a_failed_send() {
    let shop = Shop::open(1).await;
    let mut config = shop.clients.config();
    let producer = shop.clients.producer_with(config.set("topic.metadata.propagation.max.ms", "1"));
    let missing = shop.topics.full_name("missing");
    let record = FutureRecord::<str, str>::to(&missing).partition(0).payload("nowhere");
    let sent = producer.send(record, PATIENCE).await;
    if makes_topics(&shop).await {
        sent.expect("the cluster has made the topic");
        shop.topics.remove_later(&missing);
        shop.clients.telemetry.assert_spans([shop.clients.send(&missing, 0, 0)]);
        return;
    }
    let (error, _) = sent.expect_err("there is no such topic");
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::UnknownTopicOrPartition));
    let expected = failed_send(
        &shop,
        &missing,
        "UnknownTopicOrPartition",
        "Broker: Unknown topic or partition",
    );
    shop.clients.telemetry.assert_spans([expected]);
}

/// A consumer of it fails to receive, and its span says so; then the topic comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_does_not_exist_is_a_failed_receive() {
    let shop = Shop::open(1).await;
    let missing = shop.topics.full_name("missing");
    // In the newer protocol the broker assigns nothing, and says nothing.
    let mut config = shop.consumer_config();
    let config = config.set("group.protocol", "classic");
    let consumer = shop.clients.consumer_with(config, &missing);
    let error = consumer.recv().await.expect_err("there is no such topic");
    let code = RDKafkaErrorCode::UnknownTopicOrPartition;
    assert_eq!(error.rdkafka_error_code(), Some(code));
    let server = &shop.clients.servers;
    let expected = span(format!("poll {server}"))
        .kind(SpanKind::Client)
        .attributes(shop.clients.attributes("poll", "receive", None))
        .error("UnknownTopicOrPartition", Some(&error.to_string()));
    shop.clients.telemetry.assert_spans([expected]);
}

fn failed_send(shop: &Shop, topic: &str, error_type: &'static str, reason: &str) -> ExpectedSpan {
    let mut attributes: Vec<Attribute> = shop.clients.attributes("send", "send", Some(topic));
    attributes.push((semconv::DESTINATION_PARTITION_ID, "0".into()));
    let description = format!("Message production error: {error_type} ({reason})");
    span(format!("send {topic}"))
        .kind(SpanKind::Producer)
        .attributes(attributes)
        .error(error_type, Some(&description))
}

/// Whether the cluster makes a topic when one is asked for.
async fn makes_topics(shop: &Shop) -> bool {
    let admin = shop.topics.admin();
    let cluster = admin.inner().fetch_metadata(None, PATIENCE).expect("the cluster answers");
    let broker = ResourceSpecifier::Broker(cluster.brokers()[0].id());
    let configs = admin.describe_configs([&broker], &AdminOptions::new()).await;
    let config = configs.expect("the cluster answers").remove(0).expect("the broker is known");
    let makes = config.get("auto.create.topics.enable").and_then(|entry| entry.value.clone());
    makes.as_deref() == Some("true")
}
