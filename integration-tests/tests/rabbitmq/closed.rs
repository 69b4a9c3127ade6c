//! Channels and connections that end, are wrapped, or come back.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::StreamExt;
use opentelemetry::{KeyValue, trace::Status};
use otel_messaging_integration_tests::{OwnBroker, rabbitmq};
use otel_messaging_lapin::{
    BasicProperties, Channel, Confirmation, Connect, Connection, ConnectionProperties,
    DefaultConnectionBuilder, bare,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions,
        BasicQosOptions, QueueDeclareOptions,
    },
    otel::{Instrumentation, OperationType, semconv as core},
    runtime,
    types::{AMQPValue, FieldTable, ShortString},
};
use otel_messaging_testing::spans::remote;

use crate::shop::{PATIENCE, Shop};

/// The collected deliveries come first, then the error, then the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_closes_in_a_batch_loses_nothing() {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    for body in ["1", "2"] {
        drop(shop.publish(&queue, body).await);
    }
    shop.telemetry.wait_for(2);
    shop.telemetry.clear();
    let consumer = shop.consume(&queue).await;
    let mut batches = consumer.batches(3, PATIENCE, tokio::time::sleep);
    let mut next = Box::pin(batches.next());
    // Both are there; the batch waits for the third.
    let mut bare = consumer.get_ref().clone();
    assert!(futures::poll!(next.as_mut()).is_pending());
    loop {
        assert!(futures::poll!(next.as_mut()).is_pending());
        let options = QueueDeclareOptions::exclusive().passive();
        let passive = shop.channel.queue_declare(queue.clone(), options, FieldTable::default());
        if passive.await.unwrap().message_count() == 0 {
            break;
        }
    }
    assert!(futures::poll!(next.as_mut()).is_pending());
    assert!(futures::poll!(bare.next()).is_pending(), "the batch has both");
    let (nowhere, properties) = (shop.name("nowhere"), BasicProperties::default());
    let (exchange, options) = (nowhere.as_str().into(), BasicPublishOptions::default());
    let closing =
        shop.channel.get_ref().basic_publish(exchange, "".into(), options, b"x", properties);
    drop(closing.await.unwrap());
    let batch = next.await.unwrap().unwrap();
    assert_eq!(batch.len(), 2);
    let error = batches.next().await.unwrap().expect_err("the channel is closed");
    assert!(batches.next().await.is_none());
    assert!(batches.next().await.is_none(), "and it stays so");
    batch.process(async {}).await;
    // It cannot be settled any more, as the broker will deliver it again.
    assert_eq!(batch[1].ack(BasicAckOptions::default()).await, Ok(false));

    let name = queue.as_str();
    let both = |verb, operation| {
        let span = crate::shop::routed(shop.span(verb, operation, name), name);
        let span = span.attributes([(core::BATCH_MESSAGE_COUNT, 2.into())]);
        batch.iter().fold(span, |span, order| {
            let tag = i64::try_from(order.delivery_tag).unwrap();
            let link = remote(order.creation_context().span_context().clone());
            span.link_with(link, [(otel_messaging_lapin::semconv::DELIVERY_TAG, tag.into())])
        })
    };
    let receive = format!("receive {}", shop.server());
    let failed = shop.span_anywhere(receive, "receive", OperationType::Receive);
    let link = remote(batch[1].creation_context().span_context().clone());
    shop.telemetry.assert_spans([
        both("receive", OperationType::Receive),
        failed.error("NOT_FOUND", Some(&error.to_string())),
        both("process", OperationType::Process).label("process"),
        shop.settled("ack", name, 2).child_of("process").linked_to(link).error("poisoned", None),
    ]);
}

/// Each connect function tells the server's address from the URI.
#[tokio::test(flavor = "multi_thread")]
async fn every_connection_knows_its_server() {
    let shop = Shop::open().await;
    let uri = rabbitmq();
    let properties = ConnectionProperties::default;
    let runtime = || runtime::default_runtime().unwrap();
    let tls = bare::tcp::OwnedTLSConfig::default;
    let parsed = || uri.parse::<bare::uri::AMQPUri>().unwrap();
    let connections = [
        Connection::connect(&uri, properties()).await,
        Connection::connect_with_runtime(&uri, properties(), runtime()).await,
        Connection::connect_with_config(&uri, properties(), tls(), runtime()).await,
        Connection::connect_uri(parsed(), properties()).await,
        Connection::connect_uri_with_runtime(parsed(), properties(), runtime()).await,
        Connection::connect_uri_with_config(parsed(), properties(), tls(), runtime()).await,
        uri.as_str().connect(properties()).await,
        parsed().connect_with_config(properties(), tls(), runtime()).await,
    ];
    for connection in connections {
        // These have the default instrumentation, whose spans the test does not see.
        let connection = connection.unwrap();
        assert!(connection.status().connected());
        let channel = connection.create_channel().await.unwrap();
        let instrumenter = format!("{:?}", channel.instrumenter());
        assert!(instrumenter.contains(&format!("{:?}", shop.server())), "{instrumenter}");
    }
}

/// Connections and channels that are there already, wrapped in every way.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrapped_channel_says_what_it_was_told() {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    let connect = async || {
        let properties = ConnectionProperties::default();
        bare::Connection::connect(&rabbitmq(), properties).await.unwrap()
    };
    let publish = async |channel: &Channel, headers: FieldTable| {
        let properties = BasicProperties::default().with_headers(headers);
        let options = BasicPublishOptions::default();
        let publish = channel.basic_publish("".into(), queue.clone(), options, b"x", properties);
        assert_eq!(publish.await.unwrap().await, Ok(Confirmation::NotRequested));
        loop {
            let options = BasicGetOptions { no_ack: true };
            let get = shop.channel.get_ref().basic_get(queue.clone(), options);
            if let Some(got) = get.await.unwrap() {
                break got.properties.headers().as_ref().unwrap().contains_key("traceparent");
            }
        }
    };
    // Larger than the smallest frame, which is what a channel alone may count on.
    let large = || {
        let mut headers = FieldTable::default();
        let value = AMQPValue::LongString(vec![b'x'; 4096].into());
        headers.insert("large".into(), value);
        headers
    };
    let published = || shop.published(queue.as_str(), queue.as_str());

    let pooled = connect().await;
    let channel = pooled.create_channel().await.unwrap();
    let channel = Channel::wrap_of(&pooled, &rabbitmq(), channel, &shop.instrumentation);
    assert!(publish(&channel, large()).await);
    let channel = shop.connection.get_ref().create_channel().await.unwrap();
    assert!(publish(&shop.connection.wrap_channel(channel), large()).await);
    shop.telemetry.assert_spans([published(), published()]);
    shop.telemetry.clear();

    let channel = Channel::wrap(pooled.create_channel().await.unwrap(), &shop.instrumentation);
    assert!(publish(&channel, FieldTable::default()).await);
    assert!(!publish(&channel, large()).await);
    let spans = shop.telemetry.spans();
    assert_eq!(spans.len(), 2);
    let has_server = |attribute: &KeyValue| attribute.key.as_str().starts_with("server.");
    assert!(!spans.iter().any(|span| span.attributes.iter().any(has_server)));
    shop.telemetry.clear();

    for by_text in [true, false] {
        let builder = DefaultConnectionBuilder::new().unwrap();
        let builder = if by_text {
            builder.with_uri_str(rabbitmq())
        } else {
            builder.with_uri(rabbitmq().parse().unwrap())
        };
        let builder = builder.with_instrumentation(&shop.instrumentation);
        let connection = builder.connect().await.unwrap();
        assert!(publish(&connection.create_channel().await.unwrap(), large()).await);
    }
    shop.telemetry.assert_spans([published(), published()]);
    shop.telemetry.clear();

    // The default instrumentation has no provider here, and injects nothing without a span.
    let channel = Channel::from(pooled.create_channel().await.unwrap());
    assert!(channel.instrumenter().is_enabled());
    assert!(!publish(&channel, FieldTable::default()).await);
    let connection = Connection::from(connect().await);
    let channel = connection.create_channel().await.unwrap();
    assert!(!publish(&channel, FieldTable::default()).await);
    shop.telemetry.assert_spans([]);
}

/// A disabled instrumentation leaves everything as it is without this crate.
#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_instrumentation_changes_nothing() {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    // The queue is exclusive to this connection.
    let channel = shop.connection.get_ref().create_channel().await.unwrap();
    let channel = Channel::wrap(channel, &Instrumentation::disabled());
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let publish = channel.basic_publish("".into(), queue.clone(), options, b"x", properties);
    drop(publish.await.unwrap());
    let options = BasicConsumeOptions::default();
    let consumer =
        channel.basic_consume(queue, "".into(), options, FieldTable::default()).await.unwrap();
    let batch = consumer.batches(1, PATIENCE, tokio::time::sleep).next().await.unwrap().unwrap();
    batch.process(async {}).await;
    assert_eq!(batch[0].properties.headers(), &None);
    assert_eq!(batch[0].acker.ack(BasicAckOptions::default()).await, Ok(true));
    shop.telemetry.assert_spans([]);
}

/// Accounts for every message when the broker is killed in the middle of a run and started again.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_broker_is_killed() {
    const COUNT: usize = 200;
    let broker = tokio::task::spawn_blocking(|| OwnBroker::start("rabbitmq", "killed"));
    let broker = Arc::new(broker.await.unwrap());
    let patient = || {
        ConnectionProperties::default()
            .configure_backoff(|backoff| {
                backoff.with_max_delay(Duration::from_millis(500)).with_max_times(200)
            })
            .enable_auto_recover()
    };
    let shop = Shop::open_at(broker.endpoint(), patient(), |builder| builder).await;
    let stock = Shop::open_at(broker.endpoint(), patient(), |builder| builder).await;
    shop.confirming().await;
    stock.channel.basic_qos(20, BasicQosOptions::default()).await.unwrap();
    let queue: ShortString = shop.name("orders").into();
    for channel in [&shop.channel, &stock.channel] {
        let durable = QueueDeclareOptions::durable();
        channel.queue_declare(queue.clone(), durable, FieldTable::default()).await.unwrap();
    }
    let sell = async {
        let (mut failures, mut unanswered) = (0, 0);
        for index in 0..COUNT {
            if index == COUNT / 2 {
                let killed = Arc::clone(&broker);
                tokio::task::spawn_blocking(move || killed.kill()).await.unwrap();
                // The next order is published meanwhile.
                let broker = Arc::clone(&broker);
                tokio::task::spawn_blocking(move || broker.restart());
            }
            // At least once: an order that was not confirmed is published again.
            loop {
                let (key, options) = (queue.clone(), BasicPublishOptions::default());
                let properties = BasicProperties::default().with_delivery_mode(2);
                let body = index.to_string();
                let publish = shop.channel.basic_publish(
                    "".into(),
                    key,
                    options,
                    body.as_bytes(),
                    properties,
                );
                let answer = Box::pin(async { publish.await?.await });
                // The client may forget a confirm when the connection is lost.
                let Ok(result) = tokio::time::timeout(PATIENCE, answer).await else {
                    unanswered += 1;
                    continue;
                };
                let Err(error) = result else { break };
                failures += 1;
                shop.channel.wait_for_recovery(error).await.expect("it recovers");
            }
        }
        (failures, unanswered)
    };
    let receive = async {
        let options = BasicConsumeOptions::default();
        let consumer = stock
            .channel
            .basic_consume(queue.clone(), "".into(), options, FieldTable::default())
            .await;
        let mut consumer = consumer.unwrap();
        let (mut handled, mut failures) = (HashMap::<String, u32>::new(), 0);
        while handled.len() < COUNT {
            match consumer.next().await.expect("it is not cancelled") {
                Ok(order) => {
                    order.process(async {}).await;
                    let body = String::from_utf8(order.data.clone()).unwrap();
                    // A delivery that cannot be settled any more comes again.
                    if order.ack(BasicAckOptions::default()).await == Ok(true) {
                        *handled.entry(body).or_default() += 1;
                    }
                }
                Err(_) => failures += 1,
            }
        }
        (handled, failures)
    };
    let both = async { tokio::join!(sell, receive) };
    let both = tokio::time::timeout(Duration::from_secs(180), both).await;
    let ((unsent, unanswered), (handled, failures)) = both.expect("all comes to an end");
    assert_eq!(handled.len(), COUNT, "each order was handled");
    assert!(unsent + unanswered > 0, "the broker was away");

    // Each publish ended once, and each delivery links to one of them.
    let sends = shop.telemetry.wait_for(COUNT + unsent + unanswered);
    assert_eq!(sends.len(), COUNT + unsent + unanswered);
    let failed = sends.iter().filter(|send| send.status != Status::Unset).count();
    assert_eq!(failed, unsent);
    let contexts: Vec<_> = sends.iter().map(|send| send.span_context.span_id()).collect();
    let spans = stock.telemetry.spans();
    let with =
        |verb: &str| spans.iter().filter(|span| span.name.starts_with(verb)).collect::<Vec<_>>();
    let (received, processed) = (with("receive"), with("process"));
    let (lost, received): (Vec<_>, Vec<_>) =
        received.into_iter().partition(|span| span.status != Status::Unset);
    assert_eq!(lost.len(), failures);
    assert_eq!(received.len(), processed.len());
    for span in received.iter().chain(&processed) {
        let [link] = &span.links.links[..] else { panic!("one link: {span:?}") };
        assert!(contexts.contains(&link.span_context.span_id()));
    }
    let options = otel_messaging_lapin::options::QueueDeleteOptions::default();
    shop.channel.queue_delete(queue, options).await.unwrap();
}
