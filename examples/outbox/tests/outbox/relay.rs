use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanKind};
use otel_messaging::rdkafka::{
    Message,
    client::DefaultClientContext,
    consumer::{Consumer, DefaultConsumerContext, StreamConsumer},
    producer::FutureProducer,
};
use otel_messaging_outbox::{
    cluster::{Cluster, TOPIC},
    outbox,
    relay::relay,
};

use crate::support::{Shop, count};

/// Far beyond what a message takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A shop with Kafka.
struct Trade {
    shop: Shop,
    cluster: Cluster,
    producer: FutureProducer,
}

impl Trade {
    fn new() -> Self {
        let (shop, cluster) = (Shop::new(), Cluster::start().unwrap());
        let (config, context) = (cluster.producer(), DefaultClientContext);
        let producer = FutureProducer::create(&config, context, &shop.instrumentation).unwrap();
        Self { shop, cluster, producer }
    }

    /// Processes so many messages; gives their keys and payloads.
    async fn bill(&self, messages: usize) -> Vec<(String, String)> {
        let (config, context) = (self.cluster.consumer("billing"), DefaultConsumerContext);
        let consumer: StreamConsumer =
            StreamConsumer::create(&config, context, &self.shop.instrumentation).unwrap();
        consumer.subscribe(&[TOPIC]).unwrap();
        let mut bills = Vec::new();
        for _ in 0..messages {
            let order = tokio::time::timeout(PATIENCE, consumer.recv()).await.unwrap().unwrap();
            let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
            order.process_sync(|| bills.push((text(order.key()), text(order.payload()))));
        }
        bills
    }

    /// The requests, as their spans are known by.
    fn requests(&self) -> Vec<SpanContext> {
        let spans = self.shop.telemetry.spans();
        let requests = spans.iter().filter(|span| span.span_kind == SpanKind::Server);
        requests.map(|span| span.span_context.clone()).collect()
    }

    /// Asserts that each span of this name is a root of this kind whose only link is this one.
    #[track_caller]
    fn assert_linked(&self, name: &str, kind: &SpanKind, causes: &[&SpanContext]) {
        let spans = self.shop.telemetry.spans();
        let spans: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        assert_eq!(spans.len(), causes.len(), "spans called {name}");
        for (span, cause) in spans.iter().zip(causes) {
            assert_eq!((&span.span_kind, span.parent_span_id.to_string()), (kind, "0".repeat(16)));
            let links = span.links.iter().map(|link| &link.span_context);
            let links: Vec<_> = links.map(|to| (to.trace_id(), to.span_id())).collect();
            assert_eq!(links, [(cause.trace_id(), cause.span_id())], "{name}");
        }
    }
}

fn bill(key: i64, item: &str) -> (String, String) {
    (key.to_string(), item.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_carry_the_context_of_their_request() {
    let trade = Trade::new();
    trade.shop.request("pears").unwrap();
    trade.shop.request("figs").unwrap();
    let database = trade.shop.database();
    assert_eq!(relay(&database, &trade.producer, TOPIC).await.unwrap(), 2);
    assert_eq!(relay(&database, &trade.producer, TOPIC).await.unwrap(), 0, "all are sent");
    assert_eq!(trade.bill(2).await, [bill(1, "pears"), bill(2, "figs")]);
    let requests = trade.requests();
    let causes = [&requests[0], &requests[1]];
    // The send span creates no message, so it is no producer.
    trade.assert_linked("send orders", &SpanKind::Client, &causes);
    trade.assert_linked("poll orders", &SpanKind::Client, &causes);
    trade.assert_linked("process orders", &SpanKind::Consumer, &causes);
    assert_eq!(trade.shop.telemetry.spans().len(), 8, "there are no other spans");
}

/// The relay crashes when it has sent a row and not marked it: the database takes no more writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loses_nothing() {
    let trade = Trade::new();
    trade.shop.request("pears").unwrap();
    trade.shop.request("figs").unwrap();
    let crashing = trade.shop.database();
    crashing.pragma_update(None, "query_only", true).unwrap();
    assert!(relay(&crashing, &trade.producer, TOPIC).await.is_err());
    drop(crashing);
    let database = trade.shop.database();
    assert_eq!(outbox::unsent(&database).unwrap().len(), 2);

    assert_eq!(relay(&database, &trade.producer, TOPIC).await.unwrap(), 2);
    assert_eq!(count(&database, "outbox WHERE NOT sent"), 0);
    // At least once, in order, and who gets one twice knows it by its key.
    assert_eq!(trade.bill(3).await, [bill(1, "pears"), bill(1, "pears"), bill(2, "figs")]);
    let requests = trade.requests();
    let causes = [&requests[0], &requests[0], &requests[1]];
    trade.assert_linked("send orders", &SpanKind::Client, &causes);
    trade.assert_linked("process orders", &SpanKind::Consumer, &causes);
}

/// It is sent as any message is: in a span that is its creation context.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_context_is_sent_too() {
    let trade = Trade::new();
    let database = trade.shop.database();
    let insert = "INSERT INTO outbox (payload, context) VALUES ('pears', 'no JSON')";
    database.execute_batch(insert).unwrap();
    assert_eq!(relay(&database, &trade.producer, TOPIC).await.unwrap(), 1);
    assert_eq!(trade.bill(1).await, [bill(1, "pears")]);
    let spans = trade.shop.telemetry.spans();
    let send = spans.iter().find(|span| span.name == "send orders").unwrap();
    assert_eq!((&send.span_kind, send.links.len()), (&SpanKind::Producer, 0));
    trade.assert_linked("process orders", &SpanKind::Consumer, &[&send.span_context]);
}
