//! Ten thousand messages, in batches of a thousand.

use std::collections::HashSet;

use opentelemetry::trace::SpanKind;
use otel_messaging_integration_tests::kafka;
use otel_messaging_rdkafka::otel::semconv;
use otel_messaging_testing::telemetry::{FinishedSpan, Telemetry};

use crate::{
    links::{Sends, named, text},
    shop::{Shop, names, place},
    support::{Clients, PATIENCE, scope},
};

const BATCHES: usize = 10;
const BATCH: usize = 1_000;
const PARTITIONS: i32 = 4;

/// Sends and processes all batches; returns the places of each batch's messages, and all spans.
async fn run(shop: &Shop) -> (Vec<Vec<(i32, i64)>>, Vec<FinishedSpan>) {
    let producer = shop.clients.producer();
    for partition in 0..PARTITIONS {
        let names = names("order", BATCHES * BATCH / 4);
        shop.sell(&producer, partition, &names).await;
    }
    let consumer = shop.clients.consumer_with(&shop.consumer_config(), &shop.orders);
    let mut batches = consumer.batches(BATCH, PATIENCE);
    let mut places = Vec::new();
    for _ in 0..BATCHES {
        let batch = batches.next().await.unwrap().unwrap();
        assert_eq!(batch.len(), BATCH);
        batch.process(async {}).await;
        places.push(batch.iter().map(place).collect::<Vec<_>>());
    }
    let distinct: HashSet<_> = places.iter().flatten().collect();
    assert_eq!(distinct.len(), BATCHES * BATCH, "every message came once");
    (places, shop.clients.telemetry.wait_for(BATCHES * (BATCH + 2)))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_link_of_ten_thousand_is_there() {
    let limit = u32::try_from(BATCH).unwrap();
    let telemetry =
        Telemetry::builder().expecting_scope(scope()).with_max_links_per_span(limit).build();
    let clients =
        Clients::reporting_to(telemetry, kafka(), |builder| builder.with_link_limit(BATCH));
    let shop = Shop::of(clients, PARTITIONS, &[]).await;
    let (batches, spans) = run(&shop).await;
    let sends = Sends::among(&spans);
    assert_eq!(sends.len(), BATCHES * BATCH);
    assert_eq!(spans.len(), BATCHES * (BATCH + 2), "nothing else was recorded");
    for (verb, kind) in [("poll", SpanKind::Client), ("process", SpanKind::Consumer)] {
        let found = named(&spans, &format!("{verb} {}", shop.orders));
        assert_eq!(found.len(), BATCHES);
        for (span, batch) in found.into_iter().zip(&batches) {
            assert_eq!(span.span_kind, kind);
            assert_eq!(text(span, semconv::BATCH_MESSAGE_COUNT), BATCH.to_string());
            sends.assert_linked([span], batch.iter().copied(), across_partitions(batch));
        }
    }
}

/// Links past the SDK's own limit are on child spans.
#[tokio::test(flavor = "multi_thread")]
async fn no_link_of_ten_thousand_is_lost_by_the_limit() {
    let shop = Shop::open(PARTITIONS).await;
    let (batches, spans) = run(&shop).await;
    let sends = Sends::among(&spans);
    for verb in ["poll", "process"] {
        let found = named(&spans, &format!("{verb} {}", shop.orders));
        assert_eq!(found.len(), BATCHES);
        for (span, batch) in found.into_iter().zip(&batches) {
            let (kept, rest) = batch.split_at(128);
            let is_child = |child: &&FinishedSpan| {
                child.parent_span_id == span.span_context.span_id()
                    && child.span_kind == SpanKind::Internal
            };
            let children: Vec<_> = spans.iter().filter(is_child).collect();
            assert_eq!(children.len(), rest.len().div_ceil(128));
            assert_eq!(span.links.links.len(), kept.len());
            // The SDK counts as dropped what the children have.
            assert_eq!(span.links.dropped_count as usize, rest.len());
            sends.assert_linked(children, rest.iter().copied(), across_partitions(batch));
        }
    }
}

fn across_partitions(batch: &[(i32, i64)]) -> bool {
    batch.iter().any(|(partition, _)| *partition != batch[0].0)
}
