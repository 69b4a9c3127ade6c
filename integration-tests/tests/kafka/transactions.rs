//! Transactions, which only a real broker ends with a marker.

use futures::future::join_all;
use opentelemetry::trace::SpanKind;
use otel_messaging_rdkafka::{
    ClientConfig, Message,
    consumer::{Consumer, StreamConsumer},
    error::RDKafkaErrorCode,
    otel::semconv,
    producer::{FutureProducer, FutureRecord, Producer},
    semconv as kafka,
};
use otel_messaging_testing::spans::{ExpectedSpan, remote};

use crate::{
    shop::{Shop, names},
    support::PATIENCE,
};

fn transactional(shop: &Shop, config: &mut ClientConfig) -> FutureProducer {
    config.set("transactional.id", shop.topics.full_name("transaction"));
    let producer = shop.clients.producer_with(config);
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

fn consumer(shop: &Shop, isolation: &str) -> StreamConsumer {
    let mut config = shop.consumer_config();
    config.set("isolation.level", isolation);
    config.set("group.id", shop.topics.full_name(isolation));
    shop.clients.consumer_with(&config, &shop.orders)
}

/// The receive span of the message at an offset of the first partition.
fn polled(shop: &Shop, offset: i64) -> ExpectedSpan {
    shop.clients.span_at(kafka::POLL, &shop.orders, 0, offset)
}

/// Aborted messages have send spans. A consumer that reads committed messages only has no receive
/// spans of them, and one that reads all messages has.
#[tokio::test(flavor = "multi_thread")]
async fn aborted_messages_have_no_spans_where_they_are_not_read() {
    let shop = Shop::open(1).await;
    let producer = transactional(&shop, &mut shop.clients.config());
    for (name, is_committed) in [("kept", true), ("aborted", false), ("last", true)] {
        producer.begin_transaction().unwrap();
        shop.sell(&producer, 0, &names(name, 2)).await;
        if is_committed {
            producer.commit_transaction(PATIENCE).unwrap();
        } else {
            producer.abort_transaction(PATIENCE).unwrap();
        }
    }
    // Each transaction ends with a marker, which takes an offset.
    let (all, committed) = ([0, 1, 3, 4, 6, 7], [0, 1, 6, 7]);

    let mut received = Vec::new();
    let reader = consumer(&shop, "read_committed");
    for _ in committed {
        let order = reader.recv().await.unwrap();
        received.push(String::from_utf8(order.payload().unwrap().to_vec()).unwrap());
    }
    assert_eq!(received, ["kept-0", "kept-1", "last-0", "last-1"]);
    let send =
        |offset: i64| shop.clients.send(&shop.orders, 0, offset).label(format!("send {offset}"));
    let poll = |offset: i64| polled(&shop, offset).linked_to(remote(format!("send {offset}")));
    shop.clients.telemetry.wait_for(all.len() + committed.len());
    let expected = all.into_iter().map(send).chain(committed.into_iter().map(poll));
    let spans = shop.clients.telemetry.assert_spans(expected);

    shop.clients.telemetry.clear();
    let reader = consumer(&shop, "read_uncommitted");
    for _ in all {
        reader.recv().await.unwrap();
    }
    shop.clients.telemetry.wait_for(all.len());
    shop.clients.telemetry.assert_spans(
        all.into_iter()
            .zip(&spans)
            .map(|(offset, send)| polled(&shop, offset).linked_to(remote(&send.span_context))),
    );
}

/// The send of a record that was still queued when its transaction is aborted fails.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_abort_throws_away_is_a_failed_send() {
    let shop = Shop::open(1).await;
    let producer = transactional(&shop, shop.clients.config().set("linger.ms", "30000"));
    producer.begin_transaction().unwrap();
    let names = names("never", 3);
    let sends = names.iter().map(|name| producer.send_result(shop.order(0, name)).unwrap());
    let sends: Vec<_> = sends.collect();
    producer.abort_transaction(PATIENCE).unwrap();
    for sent in join_all(sends).await {
        let (error, _) = sent.unwrap().expect_err("it was thrown away");
        assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PurgeQueue));
    }
    let failed = shop
        .clients
        .span(kafka::SEND, Some(&shop.orders))
        .attributes([(semconv::DESTINATION_PARTITION_ID, "0".into())])
        .error("PurgeQueue", Some("Message production error: PurgeQueue (Local: Purged in queue)"));
    shop.clients.telemetry.wait_for(3);
    shop.clients.telemetry.assert_spans([failed.clone(), failed.clone(), failed]);
}

/// Consume, transform, produce: the offsets are settled with the transaction, so the next member
/// of the group starts behind them, and a transaction that is aborted settles nothing.
#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_settled_with_the_transaction() {
    let shop = Shop::open(1).await;
    let bills = shop.topics.make_one("bills", 1).await;
    shop.sell(&shop.clients.producer(), 0, &names("order", 3)).await;
    let producer = transactional(&shop, &mut shop.clients.config());
    let mut seen = Vec::new();
    for is_committed in [true, false] {
        let consumer = consumer(&shop, "read_committed");
        let order = consumer.recv().await.unwrap();
        seen.push(order.offset());
        producer.begin_transaction().unwrap();
        let bill = |order| FutureRecord::<str, [u8]>::to(&bills).payload(order);
        order
            .process(async {
                let bill = bill(order.payload().unwrap());
                producer.send(bill, PATIENCE).await.expect("it is delivered");
            })
            .await;
        let position = consumer.position().unwrap();
        let group = consumer.group_metadata().unwrap();
        producer.send_offsets_to_transaction(&position, &group, PATIENCE).unwrap();
        if is_committed {
            producer.commit_transaction(PATIENCE).unwrap();
        } else {
            producer.abort_transaction(PATIENCE).unwrap();
        }
    }
    let consumer = consumer(&shop, "read_committed");
    seen.push(consumer.recv().await.unwrap().offset());
    assert_eq!(seen, [0, 1, 1], "what was aborted comes again");

    let spans = shop.clients.telemetry.spans();
    let of = |name: String| spans.iter().filter(move |span| span.name == name);
    let processed: Vec<_> = of(format!("process {}", shop.orders)).collect();
    let billed: Vec<_> = of(format!("send {bills}")).collect();
    assert_eq!((processed.len(), billed.len()), (2, 2));
    for (process, bill) in processed.iter().zip(billed) {
        assert_eq!(bill.parent_span_id, process.span_context.span_id());
    }
    let settled: Vec<_> = of(format!("commit {}", shop.orders)).collect();
    assert_eq!(settled.len(), 2);
    assert!(settled.iter().all(|span| span.span_kind == SpanKind::Client));
}
