//! Consuming: streams, delegates, batches, and asking for one message.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use futures::{FutureExt, StreamExt};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::TraceContextExt,
};
use otel_messaging_lapin::{
    BasicProperties, ExchangeKind,
    message::{Delivery, DeliveryResult},
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions,
        BasicPublishOptions, BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions, QueueDeleteOptions,
    },
    otel::{OperationType, Propagation, ReceiveSpans, semconv as core},
    semconv,
    types::{FieldTable, ShortString},
};
use otel_messaging_testing::spans::remote;

use crate::shop::{PATIENCE, Shop, routed};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_received_processed_and_acknowledged() {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    let exchange = shop.name("shop");
    let (name, options) = (ShortString::from(exchange.as_str()), ExchangeDeclareOptions::default());
    let options = ExchangeDeclareOptions { auto_delete: true, ..options };
    let none = FieldTable::default;
    let topic = ExchangeKind::Topic;
    shop.channel.exchange_declare(name.clone(), topic, options, none()).await.unwrap();
    let options = QueueBindOptions::default();
    let bound = shop.channel.queue_bind(queue.clone(), name.clone(), "#".into(), options, none());
    bound.await.unwrap();
    let properties = BasicProperties::default()
        .with_message_id("order 7".into())
        .with_correlation_id("basket 3".into());
    let (key, options) = ("fruit.apples".into(), BasicPublishOptions::default());
    let publish = shop.channel.basic_publish(name, key, options, b"7", properties);
    drop(publish.await.unwrap());

    let mut consumer = shop.consume(&queue).await;
    let order = consumer.next().await.unwrap().unwrap();
    let result: Result<usize, std::fmt::Error> =
        order.process(async { Ok(order.data.len()) }).await;
    assert_eq!(result, Ok(1));
    assert_eq!(order.ack(BasicAckOptions::default()).await, Ok(true));

    let sent = format!("{exchange}:fruit.apples");
    let delivered = format!("{sent}:{queue}");
    let ids = || {
        [(core::MESSAGE_ID, "order 7".into()), (core::MESSAGE_CONVERSATION_ID, "basket 3".into())]
    };
    let key = "fruit.apples";
    shop.telemetry.assert_spans([
        shop.published(&sent, key).attributes(ids()).label("publish"),
        shop.received(&delivered, key, 1).attributes(ids()).linked_to(remote("publish")),
        shop.processed(&delivered, key, 1)
            .attributes(ids())
            .label("process")
            .linked_to(remote("publish")),
        shop.settled("ack", &delivered, 1)
            .attributes(ids())
            .child_of("process")
            .linked_to(remote("publish")),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_consumers_of_one_exchange_link_to_the_one_publish() {
    let shop = Shop::open().await;
    let exchange: ShortString = shop.name("shop").into();
    let options = ExchangeDeclareOptions::default();
    let options = ExchangeDeclareOptions { auto_delete: true, ..options };
    let (topic, none) = (ExchangeKind::Topic, FieldTable::default);
    shop.channel.exchange_declare(exchange.clone(), topic, options, none()).await.unwrap();
    let mut consumers = Vec::new();
    for (name, pattern) in [("billing", "order.*"), ("stock", "#.apples")] {
        let queue = shop.queue(name).await;
        let (exchange, options) = (exchange.clone(), QueueBindOptions::default());
        let bound =
            shop.channel.queue_bind(queue.clone(), exchange, pattern.into(), options, none());
        bound.await.unwrap();
        consumers.push((queue.clone(), shop.consume(&queue).await));
    }
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let key = "order.apples";
    let publish =
        shop.channel.basic_publish(exchange.clone(), key.into(), options, b"7", properties);
    drop(publish.await.unwrap());
    let sent = format!("{exchange}:{key}");
    let mut expected = vec![shop.published(&sent, key).label("publish")];
    for (queue, consumer) in &mut consumers {
        let order = consumer.next().await.unwrap().unwrap();
        order.process(async {}).await;
        let name = format!("{sent}:{queue}");
        let tag = i64::try_from(order.delivery_tag).unwrap();
        expected.push(shop.received(&name, key, tag).linked_to(remote("publish")));
        expected.push(shop.processed(&name, key, tag).linked_to(remote("publish")));
    }
    shop.telemetry.assert_spans(expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_prefetched_has_no_span() {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    shop.channel.basic_qos(3, BasicQosOptions::default()).await.unwrap();
    for body in ["1", "2", "3", "4"] {
        drop(shop.publish(&queue, body).await);
    }
    shop.telemetry.wait_for(4);
    shop.telemetry.clear();
    let mut consumer = shop.consume(&queue).await;
    let first = consumer.next().await.unwrap().unwrap();
    // The client has prefetched three: the queue gives the fourth.
    let last = loop {
        let options = BasicGetOptions { no_ack: true };
        if let Some(last) = shop.channel.basic_get(queue.clone(), options).await.unwrap() {
            break last;
        }
    };
    assert_eq!(last.data, b"4");
    let spans = shop.telemetry.spans();
    assert_eq!(spans.len(), 2, "one for what the stream handed over, one for what was asked for");
    assert_eq!(first.data, b"1");
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_an_empty_queue_is_nothing() {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    let get = || shop.channel.basic_get(queue.clone(), BasicGetOptions::default());
    assert_eq!(get().await.unwrap(), None);
    shop.telemetry.assert_spans([]);
    shop.telemetry.assert_metrics([]);
    drop(shop.publish(&queue, "7 apples").await);
    let order = loop {
        if let Some(order) = get().await.unwrap() {
            break order;
        }
    };
    order.process(async { assert_eq!(order.data, b"7 apples") }).await;
    assert_eq!(order.ack(BasicAckOptions::default()).await, Ok(true));
    let (name, tag) = (queue.as_str(), i64::try_from(order.delivery_tag).unwrap());
    let get = shop.span("get", OperationType::Receive, name);
    let get = routed(get, name).attributes([(semconv::DELIVERY_TAG, tag.into())]);
    shop.telemetry.assert_spans([
        shop.published(name, name).label("publish"),
        get.linked_to(remote("publish")),
        shop.processed(name, name, tag).label("process").linked_to(remote("publish")),
        shop.settled("ack", name, tag).child_of("process").linked_to(remote("publish")),
    ]);
}

/// The queue is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_get_that_fails_has_a_failed_span() {
    let shop = Shop::open().await;
    let queue: ShortString = shop.name("nowhere").into();
    let got = shop.channel.basic_get(queue, BasicGetOptions::default()).await;
    let error = got.expect_err("there is no such queue").to_string();
    let get = shop.span_anywhere(format!("get {}", shop.server()), "get", OperationType::Receive);
    shop.telemetry.assert_spans([get.error("NOT_FOUND", Some(&error))]);
}

/// A delegate works in the process span, both in its call and in its future.
#[tokio::test(flavor = "multi_thread")]
async fn a_delegate_works_in_the_process_span() {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    drop(shop.publish(&queue, "first").await);
    let consumer = shop.consume(&queue).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = |seen: &Mutex<Vec<_>>| {
        let current = Context::map_current(|context| context.span().span_context().span_id());
        seen.lock().unwrap().push(current);
    };
    let (there, instrumenter, name) =
        (Arc::clone(&seen), shop.channel.instrumenter().clone(), queue.clone());
    let delegate = move |delivery: DeliveryResult| {
        look(&there);
        let (there, instrumenter, name) = (Arc::clone(&there), instrumenter.clone(), name.clone());
        async move {
            let Ok(Some(delivery)) = delivery else { return };
            look(&there);
            tokio::task::yield_now().await;
            look(&there);
            // The first is settled through the client's own delivery, which has no span.
            if delivery.delivery_tag == 1 {
                assert_eq!(delivery.ack(BasicAckOptions::default()).await, Ok(true));
            } else {
                let delivery = Delivery::from_bare(delivery, name, &instrumenter);
                assert_eq!(delivery.ack(BasicAckOptions::default()).await, Ok(true));
            }
        }
    };
    // The span that sets the delegate is not the parent of prefetched deliveries.
    let setting =
        Context::new().with_remote_span_context(shop.telemetry.wait_for(1)[0].span_context.clone());
    {
        let _setting = setting.attach();
        consumer.set_delegate(delegate);
    }
    drop(shop.publish(&queue, "second").await);
    let spans = shop.telemetry.wait_for(5);
    let name = queue.as_str();
    let processed: Vec<_> = spans.iter().filter(|span| span.name.starts_with("process")).collect();
    shop.telemetry.assert_spans([
        shop.published(name, name).label("first"),
        shop.processed(name, name, 1).root().linked_to(remote("first")),
        shop.published(name, name).label("second"),
        shop.processed(name, name, 2).root().linked_to(remote("second")).label("process"),
        shop.settled("ack", name, 2).child_of("process").linked_to(remote("second")),
    ]);
    let expected: Vec<_> =
        processed.iter().flat_map(|span| [span.span_context.span_id(); 3]).collect();
    let seen: HashSet<_> = seen.lock().unwrap().iter().copied().collect();
    assert_eq!(seen, expected.into_iter().collect());
}

/// Dropping `next` loses nothing; each batch is one span with a link for each delivery.
#[tokio::test(flavor = "multi_thread")]
async fn batches_lose_nothing_in_a_select() {
    const COUNT: usize = 300;
    let shop = Shop::open_with(|builder| builder.with_settle_spans(false)).await;
    let queue = shop.queue("orders").await;
    let consumer = shop.consume(&queue).await;
    let mut batches = consumer.batches(50, Duration::from_millis(20), tokio::time::sleep);
    let publish = async {
        for index in 0..COUNT {
            drop(shop.publish(&queue, &index.to_string()).await);
        }
    };
    let receive = async {
        let (mut bodies, mut sizes) = (Vec::new(), Vec::new());
        let mut interruptions = 0;
        while bodies.len() < COUNT {
            let batch = tokio::select! {
                biased;
                () = tokio::time::sleep(Duration::from_millis(3)) => {
                    interruptions += 1;
                    continue;
                }
                batch = batches.next() => batch.unwrap().unwrap(),
            };
            batch.process(async {}).await;
            let last = batch.last().unwrap();
            assert_eq!(last.ack(BasicAckOptions { multiple: true }).await, Ok(true));
            sizes.push(batch.len());
            bodies.extend(batch.iter().map(|order| String::from_utf8(order.data.clone()).unwrap()));
        }
        (bodies, sizes, interruptions)
    };
    let ((), (bodies, sizes, interruptions)) = tokio::join!(publish, receive);
    assert_eq!(bodies, (0..COUNT).map(|index| index.to_string()).collect::<Vec<_>>());
    assert!(interruptions > 0, "it was interrupted");
    for verb in ["receive", "process"] {
        let spans = shop.telemetry.spans();
        let spans: Vec<_> = spans.iter().filter(|span| span.name.starts_with(verb)).collect();
        let links: Vec<_> = spans.iter().map(|span| span.links.links.len()).collect();
        assert_eq!(links, sizes, "{verb}");
    }
}

/// The span of a batch has what all messages have in common, and its links the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_span() {
    let shop = Shop::open_with(|builder| builder.with_receive_spans(ReceiveSpans::Batches)).await;
    let queue = shop.queue("orders").await;
    let properties = |id: &str| {
        BasicProperties::default().with_message_id(id.into()).with_correlation_id("basket 3".into())
    };
    for id in ["a", "b"] {
        drop(shop.publish_as(&queue, id, properties(id)).await);
    }
    let consumer = shop.consume(&queue).await;
    let batch = consumer.batches(2, PATIENCE, tokio::time::sleep).next().await.unwrap().unwrap();
    batch.process(async {}).await;
    let name = queue.as_str();
    let conversation = || [(core::MESSAGE_CONVERSATION_ID, "basket 3".into())];
    let batch = |verb, operation| {
        let span = routed(shop.span(verb, operation, name), name).attributes(conversation());
        let span = span.attributes([(core::BATCH_MESSAGE_COUNT, 2.into())]);
        ["a", "b"].into_iter().zip(1..).fold(span, |span, (id, tag)| {
            let attributes =
                [(semconv::DELIVERY_TAG, i64::from(tag).into()), (core::MESSAGE_ID, id.into())];
            span.link_with(remote(id), attributes)
        })
    };
    let published = |id: &'static str| {
        let id_of = [(core::MESSAGE_ID, id.into())];
        shop.published(name, name).attributes(id_of).attributes(conversation()).label(id)
    };
    shop.telemetry.assert_spans([
        published("a"),
        published("b"),
        batch("receive", OperationType::Receive),
        batch("process", OperationType::Process),
    ]);
}

/// Cancelling a consumer ends the stream, after the deliveries that were collected.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_consumer_ends_its_batches() {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    drop(shop.publish(&queue, "7 apples").await);
    let consumer = shop.consume(&queue).await;
    let mut batches = consumer.batches(10, PATIENCE, tokio::time::sleep);
    let mut next = Box::pin(batches.next());
    let cancel = shop.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
    let (first, cancelled) = tokio::join!(next.as_mut(), cancel);
    cancelled.unwrap();
    drop(next);
    let first = first.map(|batch| batch.unwrap().len());
    let rest: Vec<_> = batches.map(|batch| batch.unwrap().len()).collect().await;
    assert_eq!(first.into_iter().chain(rest).sum::<usize>(), 1);
}

/// Names that the broker makes up and queues that go away are in no span's name.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_do_not_last_are_no_labels() {
    let shop = Shop::open().await;
    let declare = |name: &str, options| {
        shop.channel.queue_declare(name.into(), options, FieldTable::default())
    };
    let temporary = || (core::DESTINATION_TEMPORARY, true.into());
    let anonymous = || (core::DESTINATION_ANONYMOUS, true.into());
    let lasting = QueueDeclareOptions::default();
    let exclusive = QueueDeclareOptions::exclusive();
    let auto_delete = lasting.auto_delete();
    let named = shop.name("desk");
    for (name, options, flags) in [
        ("", exclusive, vec![temporary(), anonymous()]),
        ("", lasting, vec![anonymous()]),
        (&named, exclusive, vec![temporary()]),
        (&format!("{named}-2"), auto_delete, vec![temporary()]),
    ] {
        let queue = declare(name, options).await.unwrap();
        let queue = queue.name();
        // Another channel of the connection knows the queue, too.
        let channel = shop.connection.create_channel().await.unwrap();
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let publish = channel.basic_publish("".into(), queue.clone(), options, b"x", properties);
        drop(publish.await.unwrap());
        let options = BasicConsumeOptions::default();
        let consumer =
            channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default()).await;
        let delivery = consumer.unwrap().next().await.unwrap().unwrap();
        let unlabelled = |verb, operation| {
            let span = shop.span_unnamed(verb, operation, queue.as_str());
            routed(span, queue.as_str()).attributes(flags.iter().cloned())
        };
        let publish = unlabelled("publish", OperationType::Send).label("publish");
        let receive = unlabelled("receive", OperationType::Receive).linked_to(remote("publish"));
        let receive = receive.attributes([(semconv::DELIVERY_TAG, 1.into())]);
        shop.telemetry.assert_spans([publish, receive]);
        assert_eq!(delivery.data, b"x");
        shop.channel.queue_delete(queue.clone(), QueueDeleteOptions::default()).await.unwrap();
        shop.telemetry.clear();
    }
    // The name is declared again, for a queue that lasts.
    let queue = declare(&named, lasting).await.unwrap();
    drop(shop.publish(queue.name(), "x").await);
    shop.telemetry.assert_spans([shop.published(&named, &named)]);
    shop.channel.queue_delete(queue.name().clone(), QueueDeleteOptions::default()).await.unwrap();
}

/// Each receive span starts with the first poll after the delivery before it.
#[tokio::test(flavor = "multi_thread")]
async fn the_clock_starts_again_for_each_delivery() {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    for body in ["1", "2", "3", "4"] {
        drop(shop.publish(&queue, body).await);
    }
    shop.telemetry.wait_for(4);
    let mut consumer = shop.consume(&queue).await;
    let mut called = Vec::new();
    for _ in 0..2 {
        called.push(SystemTime::now());
        consumer.next().await.unwrap().unwrap();
    }
    let mut batches = consumer.batches(1, PATIENCE, tokio::time::sleep);
    for _ in 0..2 {
        called.push(SystemTime::now());
        batches.next().await.unwrap().unwrap();
    }
    let spans = shop.telemetry.spans();
    let receives: Vec<_> = spans.iter().filter(|span| span.name.starts_with("receive")).collect();
    assert_eq!(receives.len(), called.len());
    for (receive, called) in receives.iter().zip(called) {
        assert!(called <= receive.start_time, "{called:?} {:?}", receive.start_time);
    }
}

/// A consumer with a prefetch of one gets the next delivery although the propagator panics.
#[tokio::test(flavor = "multi_thread")]
async fn a_propagator_that_panics_does_not_stop_a_consumer() {
    const COUNT: usize = 5;
    let panics = Propagation::custom(PanickingPropagator);
    let shop = Shop::open_with(|builder| builder.with_propagator(panics)).await;
    let queue = shop.queue("orders").await;
    shop.channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    for index in 0..COUNT {
        drop(shop.publish(&queue, &index.to_string()).await);
    }
    let mut consumer = shop.consume(&queue).await;
    for index in 0..COUNT {
        let order = consumer.next().await.unwrap().unwrap();
        assert_eq!(order.data, index.to_string().into_bytes());
        assert_eq!(order.properties.headers(), &None);
        assert_eq!(order.ack(BasicAckOptions::default()).await, Ok(true));
    }
    let name = queue.as_str();
    let spans = (1..=5).flat_map(|tag| {
        let received = shop.received(name, name, tag);
        [shop.published(name, name), received, shop.settled("ack", name, tag)]
    });
    shop.telemetry.assert_spans(spans);
}

/// Panics whatever it is called for.
#[derive(Debug)]
struct PanickingPropagator;

impl TextMapPropagator for PanickingPropagator {
    fn inject_context(&self, _: &Context, _: &mut dyn Injector) {
        panic!("this propagator panics, as the test wants")
    }

    fn extract_with_context(&self, _: &Context, _: &dyn Extractor) -> Context {
        panic!("this propagator panics, as the test wants")
    }

    fn fields(&self) -> FieldIter<'_> {
        panic!("this propagator panics, as the test wants")
    }
}

/// A stream that is dropped while it waits has no span.
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_dropped_is_nothing() {
    let shop = Shop::open().await;
    let queue = shop.queue("orders").await;
    let mut consumer = shop.consume(&queue).await;
    assert!(consumer.next().now_or_never().is_none());
    let mut batches = consumer.batches(2, PATIENCE, tokio::time::sleep);
    assert!(batches.next().now_or_never().is_none());
    shop.telemetry.assert_spans([]);
    shop.telemetry.assert_metrics([]);
}
