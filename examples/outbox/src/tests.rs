//! From the request to the batch of the night, to the last link. No broker is needed.

use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    trace::{SpanContext, SpanKind, TraceContextExt as _, Tracer as _},
};
use otel_messaging::{
    otel::Instrumentation,
    rdkafka::{
        ClientConfig, Message,
        client::DefaultClientContext,
        consumer::{Consumer, DefaultConsumerContext, StreamConsumer},
        mocking::MockCluster,
        producer::{DefaultProducerContext, FutureProducer},
    },
};
use otel_messaging_testing::{
    attributes::any,
    spans::{ExpectedSpan, remote, span},
    telemetry::Telemetry,
};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::time::{Duration, timeout};

use crate::{Result, book, outbox, place_order, relay};

/// A database file, and telemetry of its own.
struct Shop {
    telemetry: Telemetry,
    instrumentation: Instrumentation,
    directory: TempDir,
}

impl Shop {
    fn new() -> Self {
        let telemetry = Telemetry::new();
        let instrumentation = Instrumentation::builder()
            .with_tracer_provider(telemetry.tracer_provider())
            .with_meter_provider(telemetry.meter_provider())
            .build();
        Self { telemetry, instrumentation, directory: tempfile::tempdir().unwrap() }
    }

    /// Opens the same file each time.
    fn database(&self) -> Connection {
        outbox::open(&self.directory.path().join("shop.db")).unwrap()
    }

    /// Handles a request whose span is called `POST pears`.
    fn request(&self, item: &str) -> Result {
        let tracer = self.telemetry.tracer();
        let span = tracer.span_builder(format!("POST {item}")).with_kind(SpanKind::Server);
        let context = Context::current_with_span(span.start(&tracer));
        let _current = context.with_baggage([KeyValue::new("tenant", "north")]).attach();
        place_order(&mut self.database(), item)
    }

    fn requests(&self, items: &[&str]) {
        for item in items {
            self.request(item).unwrap();
        }
    }

    fn book(&self) -> Result<usize> {
        book(&mut self.database(), &self.instrumentation)
    }

    /// Inserts a row with this context, given as SQL.
    fn insert(&self, context: &str) {
        let insert = format!("INSERT INTO outbox (payload, context) VALUES ('figs', {context})");
        self.database().execute_batch(&insert).unwrap();
    }

    /// Lets the database refuse something until the trigger is dropped.
    fn refuse(&self, what: &str) {
        let refuse = "BEGIN SELECT RAISE(ABORT, 'refused'); END";
        self.database().execute_batch(&format!("CREATE TRIGGER refuse {what} {refuse}")).unwrap();
    }

    fn count(&self, what: &str) -> i64 {
        let select = format!("SELECT count(*) FROM {what}");
        self.database().query_one(&select, [], |row| row.get(0)).unwrap()
    }
}

fn request(item: &str) -> ExpectedSpan {
    let name = format!("POST {item}");
    span(name.clone()).label(name).kind(SpanKind::Server)
}

/// The span that books these rows, with a link to the request of each.
fn night(message_count: i64, rows: &[(i64, &str)]) -> ExpectedSpan {
    let night = span("process outbox").kind(SpanKind::Consumer).attributes([
        ("messaging.system", "outbox".into()),
        ("messaging.operation.name", "process".into()),
        ("messaging.operation.type", "process".into()),
        ("messaging.destination.name", "outbox".into()),
        ("messaging.batch.message_count", message_count.into()),
    ]);
    rows.iter().fold(night.links_in_order(), |night, &(row, item)| {
        night.link_with(remote(format!("POST {item}")), [("outbox.row.id", row.into())])
    })
}

#[test]
fn a_row_has_the_context_of_its_request() {
    let shop = Shop::new();
    shop.request("pears").unwrap();
    let [row] = &outbox::unsent(&shop.database()).unwrap()[..] else { panic!("one row") };
    assert_eq!((row.id, &*row.payload), (1, "pears"));
    let spans = shop.telemetry.assert_spans([request("pears")]);
    let (stored, made) = (row.creation.span_context(), &spans[0].span_context);
    assert_eq!((stored.trace_id(), stored.span_id()), (made.trace_id(), made.span_id()));
    assert!(stored.is_sampled() && stored.is_remote());
    let tenant = row.creation.baggage().and_then(|baggage| baggage.get("tenant"));
    assert_eq!(tenant.map(ToString::to_string).as_deref(), Some("north"));
}

#[test]
fn an_order_and_its_row_are_written_together() {
    let shop = Shop::new();
    shop.refuse("BEFORE INSERT ON outbox");
    assert!(shop.request("pears").unwrap_err().to_string().contains("refused"));
    assert_eq!((shop.count("orders"), shop.count("outbox")), (0, 0));
    shop.database().execute_batch("DROP TRIGGER refuse").unwrap();
    shop.request("pears").unwrap();
    assert_eq!((shop.count("orders"), shop.count("outbox")), (1, 1));
}

/// The database is closed and opened in between: only the file remembers.
#[test]
fn the_night_links_to_every_request_of_the_day() {
    let shop = Shop::new();
    shop.requests(&["pears", "figs", "melons"]);
    assert_eq!(shop.book().unwrap(), 3);
    let requests = ["pears", "figs", "melons"].map(request);
    let booked = night(3, &[(1, "pears"), (2, "figs"), (3, "melons")]);
    shop.telemetry.assert_spans(requests.into_iter().chain([booked]));

    shop.telemetry.clear();
    shop.request("plums").unwrap();
    assert_eq!(shop.book().unwrap(), 1);
    shop.telemetry.assert_spans([request("plums"), night(1, &[(4, "plums")])]);

    shop.telemetry.clear();
    assert_eq!(shop.book().unwrap(), 0);
    shop.telemetry.assert_spans([]);
}

#[test]
fn a_row_whose_context_is_missing_or_broken_is_booked_without_a_link() {
    let shop = Shop::new();
    let broken = [
        "NULL",
        "''",
        "'no JSON'",
        "'[]'",
        "'{}'",
        r#"'{"traceparent": 7}'"#,
        r#"'{"traceparent": "00-x"}'"#,
        r#"'{"traceparent": "00-00000000000000000000000000000000-0000000000000000-01"}'"#,
        "x'ff00'",
        "7",
    ];
    for context in broken {
        shop.insert(context);
    }
    shop.request("pears").unwrap();
    assert_eq!(shop.book().unwrap(), 11);
    shop.telemetry.assert_spans([request("pears"), night(11, &[(11, "pears")])]);
    assert_eq!(shop.count("outbox WHERE NOT booked"), 0);
}

#[test]
fn a_night_that_fails_is_made_up_for() {
    let shop = Shop::new();
    shop.requests(&["pears", "figs"]);
    shop.refuse("BEFORE UPDATE OF booked ON outbox WHEN new.id = 2");
    assert!(shop.book().is_err());
    assert_eq!(shop.count("outbox WHERE NOT booked"), 2, "all or nothing");
    shop.database().execute_batch("DROP TRIGGER refuse").unwrap();
    assert_eq!(shop.book().unwrap(), 2);
    let booked = || night(2, &[(1, "pears"), (2, "figs")]);
    let failed = booked().error(any(), Some(""));
    shop.telemetry.assert_spans([request("pears"), request("figs"), failed, booked()]);
}

/// A shop with Kafka.
struct Trade {
    shop: Shop,
    producer: FutureProducer,
    consumer: StreamConsumer,
    _cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Trade {
    fn new() -> Self {
        let (shop, cluster) = (Shop::new(), MockCluster::new(1).unwrap());
        cluster.create_topic("orders", 1, 1).unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers());
        config.set("group.id", "billing").set("auto.offset.reset", "earliest");
        let (context, instrumentation) = (DefaultClientContext, &shop.instrumentation);
        let producer = FutureProducer::create(&config, context, instrumentation).unwrap();
        let consumer = StreamConsumer::create(&config, DefaultConsumerContext, instrumentation);
        let consumer = consumer.unwrap();
        consumer.subscribe(&["orders"]).unwrap();
        Self { shop, producer, consumer, _cluster: cluster }
    }

    async fn relay(&self) -> usize {
        relay(&self.shop.database(), &self.producer).await.unwrap()
    }

    /// Asserts the keys and payloads of the next messages, and processes them.
    async fn assert_billed(&self, expected: &[(&str, &str)]) {
        for (key, payload) in expected {
            let order = timeout(Duration::from_secs(30), self.consumer.recv()).await;
            let order = order.unwrap().unwrap();
            let message = (order.key().unwrap(), order.payload().unwrap());
            order.process_sync(|| assert_eq!(message, (key.as_bytes(), payload.as_bytes())));
        }
    }

    fn contexts(&self, name: &str) -> Vec<SpanContext> {
        let spans = self.shop.telemetry.spans();
        let spans = spans.iter().filter(|span| span.name.starts_with(name));
        spans.map(|span| span.span_context.clone()).collect()
    }

    /// Asserts that each span of this name is a root of this kind whose only link is this one.
    #[track_caller]
    fn assert_linked(&self, name: &str, kind: &SpanKind, targets: &[&SpanContext]) {
        let spans = self.shop.telemetry.spans();
        let spans: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        assert_eq!(spans.len(), targets.len(), "spans called {name}");
        for (span, target) in spans.iter().zip(targets) {
            assert_eq!((&span.span_kind, span.parent_span_id.to_string()), (kind, "0".repeat(16)));
            let links = span.links.iter().map(|link| &link.span_context);
            let links: Vec<_> = links.map(|to| (to.trace_id(), to.span_id())).collect();
            assert_eq!(links, [(target.trace_id(), target.span_id())], "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_carry_the_context_of_their_request() {
    let trade = Trade::new();
    trade.shop.requests(&["pears", "figs"]);
    assert_eq!(trade.relay().await, 2);
    assert_eq!(trade.relay().await, 0, "all are sent");
    trade.assert_billed(&[("1", "pears"), ("2", "figs")]).await;
    let requests = trade.contexts("POST");
    let targets = [&requests[0], &requests[1]];
    // The send span creates no message, so its kind is not producer.
    trade.assert_linked("send orders", &SpanKind::Client, &targets);
    trade.assert_linked("poll orders", &SpanKind::Client, &targets);
    trade.assert_linked("process orders", &SpanKind::Consumer, &targets);
    assert_eq!(trade.shop.telemetry.spans().len(), 8, "there are no other spans");
}

/// The relay crashes after it has sent a row and before it has marked it.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loses_nothing() {
    let trade = Trade::new();
    trade.shop.requests(&["pears", "figs"]);
    let crashing = trade.shop.database();
    crashing.pragma_update(None, "query_only", true).unwrap();
    assert!(relay(&crashing, &trade.producer).await.is_err());
    assert_eq!(trade.shop.count("outbox WHERE NOT sent"), 2);

    assert_eq!(trade.relay().await, 2);
    assert_eq!(trade.shop.count("outbox WHERE NOT sent"), 0);
    // At least once and in order. A consumer knows by the key that a message comes again.
    trade.assert_billed(&[("1", "pears"), ("1", "pears"), ("2", "figs")]).await;
    let requests = trade.contexts("POST");
    let targets = [&requests[0], &requests[0], &requests[1]];
    trade.assert_linked("send orders", &SpanKind::Client, &targets);
    trade.assert_linked("process orders", &SpanKind::Consumer, &targets);
}

/// It is sent like any message: in a span that becomes its creation context.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_context_is_sent_too() {
    let trade = Trade::new();
    trade.shop.insert("'no JSON'");
    assert_eq!(trade.relay().await, 1);
    trade.assert_billed(&[("1", "figs")]).await;
    let spans = trade.shop.telemetry.spans();
    let send = spans.iter().find(|span| span.name == "send orders").unwrap();
    assert_eq!((&send.span_kind, send.links.len()), (&SpanKind::Producer, 0));
    trade.assert_linked("process orders", &SpanKind::Consumer, &[&send.span_context]);
}
