//! The whole demo as a person runs it, on real brokers: what it prints, its exit status, and that
//! it notices what is missing.

#![allow(clippy::unwrap_used, reason = "clippy spares test functions only, not what they call")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    process::{Command, Output},
};

use lapin::{Connection, ConnectionProperties, options::QueueDeclareOptions, types::FieldTable};
use opentelemetry_proto::tonic::{
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use otel_messaging::{async_nats, lapin, rdkafka};
use otel_messaging_integration_tests::{kafka, nats, rabbitmq};
use otel_messaging_testing::collector::{Collected, Collector, service_of};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    error::KafkaError,
    types::RDKafkaErrorCode,
};

struct Run {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the program in an environment that says nothing about telemetry but what is given here.
fn services(args: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_services"));
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    let Output { status, stdout, stderr } =
        command.args(args).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { status: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// `services all` on the brokers of the test run.
fn all(args: &[&str], variables: &[(&str, &str)]) -> Run {
    let brokers = [
        ("OTEL_MESSAGING_KAFKA", kafka()),
        ("OTEL_MESSAGING_RABBITMQ", rabbitmq()),
        ("OTEL_MESSAGING_NATS", nats()),
    ];
    let brokers = brokers.iter().map(|(name, endpoint)| (*name, endpoint.as_str()));
    let variables: Vec<_> = brokers.chain(variables.iter().copied()).collect();
    services(&[&["all"], args].concat(), &variables)
}

impl Run {
    #[track_caller]
    fn ends_with(&self, status: i32, closing: &str) -> &Self {
        let last = self.stdout.lines().last().unwrap_or_default();
        let Self { stdout, stderr, .. } = self;
        assert_eq!((self.status, last), (Some(status), closing), "\n{stdout}\n{stderr}");
        self
    }

    /// Something like this is printed; `*` is what is different each time.
    #[track_caller]
    fn shows(&self, expected: &str) -> &Self {
        let is_like = |line: &&str| {
            let mut rest = Some(*line);
            for part in expected.split('*') {
                rest = rest.and_then(|rest| Some(rest.split_once(part)?.1));
            }
            rest.is_some()
        };
        assert!(
            self.stdout.lines().any(|line| is_like(&line)),
            "no {expected:?} in\n{}",
            self.stdout
        );
        self
    }

    #[track_caller]
    fn reports(&self, expected: &str) -> &Self {
        assert!(self.stderr.contains(expected), "no {expected:?} in\n{}", self.stderr);
        self
    }

    /// What the names of this run end in: `-3fa9c1`
    fn suffix(&self) -> &str {
        let (_, rest) = self.stdout.split_once("process day-book").unwrap();
        rest.split_whitespace().next().unwrap()
    }
}

#[tokio::test]
async fn every_order_can_be_followed_all_the_way() {
    let run = all(&["--orders", "5"], &[]);
    run.ends_with(0, "5 orders: 20 messages sent, 20 processed, 60 links found, 0 missing")
        .shows("POST /orders * SERVER    shop ")
        .shows("├─ request stock-* PRODUCER  shop ")
        .shows("└─ send orders-* PRODUCER  shop ")
        .shows("process stock-* CONSUMER  stock ")
        .shows("process orders-* CONSUMER  billing ")
        .shows("├─ publish invoices-* PRODUCER  billing ")
        .shows("├─ publish day-book-* PRODUCER  billing ")
        .shows("→ send orders-* (shop) ")
        .shows("process invoices-* CONSUMER  mailer ")
        .shows("process day-book-* CONSUMER  nightly ")
        .shows("│  5 links → publish day-book-* (billing) ")
        .shows("... and 2 more like it (")
        .shows("messaging.client.operation.duration  shop     request    stock-* 5 ")
        .shows("messaging.client.sent.messages       billing  publish    day-book-* 5")
        .shows("messaging.client.consumed.messages   nightly  fetch      day-book-* 5")
        .shows("messaging.process.duration           nightly  process    day-book-* 1 ")
        .reports("mailer  | 5 of 5 orders\n");
    leaves_nothing_behind(run.suffix()).await;
}

/// The destinations of that run are gone.
async fn leaves_nothing_behind(suffix: &str) {
    let client = async_nats::connect(nats()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    assert!(jetstream.get_stream(format!("day-book{suffix}")).await.is_err());

    let connection = Connection::connect(&rabbitmq(), ConnectionProperties::default()).await;
    let channel = connection.unwrap().create_channel().await.unwrap();
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let queue = format!("invoices{suffix}").into();
    let error = channel.queue_declare(queue, passive, FieldTable::default()).await.unwrap_err();
    assert!(error.to_string().contains("NOT_FOUND"), "{error}");

    let admin = ClientConfig::new().set("bootstrap.servers", kafka()).create();
    let admin: AdminClient<DefaultClientContext> = admin.unwrap();
    let topic = format!("orders{suffix}");
    let deleted = admin.delete_topics(&[&topic], &AdminOptions::default()).await;
    let gone = Err((topic, RDKafkaErrorCode::UnknownTopicOrPartition));
    assert_eq!(deleted, Ok::<_, KafkaError>(vec![gone]));
}

#[test]
fn the_nightly_batch_loses_no_link() {
    all(&["--orders", "200"], &[])
        .ends_with(0, "200 orders: 800 messages sent, 800 processed, 2400 links found, 0 missing")
        .shows(
            "│  200 links (128 on the span, 72 on its children) → publish day-book-* (billing) ",
        );
    all(&["--orders", "200"], &[("OTEL_SPAN_LINK_COUNT_LIMIT", "200")])
        .ends_with(0, "200 orders: 800 messages sent, 800 processed, 2400 links found, 0 missing")
        .shows("│  200 links → publish day-book-* (billing) ");
}

#[test]
fn a_service_without_spans_is_noticed() {
    all(&["--orders", "4", "--env", "mailer:OTEL_TRACES_SAMPLER=always_off"], &[])
        .ends_with(1, "4 orders: 16 messages sent, 12 processed, 36 links found, 4 missing")
        .reports("no span of mailer came")
        .reports("4 of 4 orders cannot be followed from billing to mailer (RabbitMQ)");
    // With it, what mailer and nightly have received, processed and acknowledged leads nowhere.
    all(&["--orders", "4", "--env", "billing:OTEL_TRACES_SAMPLER=always_off"], &[])
        .ends_with(1, "4 orders: 8 messages sent, 4 processed, 12 links found, 36 missing")
        .reports("24 links lead to spans that did not come");
}

#[test]
fn a_message_without_its_context_is_noticed() {
    all(&["--orders", "4", "--env", "shop:OTEL_PROPAGATORS=baggage"], &[])
        .ends_with(1, "4 orders: 16 messages sent, 8 processed, 24 links found, 20 missing")
        .reports("4 of 4 orders cannot be followed from shop to stock (NATS request)")
        .reports("4 of 4 orders cannot be followed from shop to billing (Kafka)");
}

#[test]
fn telemetry_that_went_elsewhere_is_noticed() {
    let elsewhere = "stock:OTEL_MESSAGING_DEMO_COLLECTOR=http://127.0.0.1:1";
    all(&["--orders", "4", "--env", elsewhere], &[])
        .ends_with(1, "4 orders: 16 messages sent, 12 processed, 36 links found, 12 missing")
        .reports("stock   | failed: telemetry was not exported: ")
        .reports("failed: stock failed (exit status: 1)")
        .reports("no span of stock came");
}

#[test]
fn a_service_that_fails_ends_the_day() {
    let run = all(&["--orders", "4", "--env", "stock:OTEL_MESSAGING_NATS=127.0.0.1:1"], &[]);
    assert_eq!(run.status, Some(1), "{}", run.stderr);
    run.reports("stock   | failed: ")
        .reports("failed: stock failed (exit status: 1); 4 of the services did not end");
}

#[test]
fn what_cannot_work_ends_with_advice() {
    services(&["all", "--order", "3"], &[]).ends_with(2, "").reports("has no option `--order`");
    services(&["shops"], &[]).ends_with(2, "").reports("there is no service `shops`");
    services(&["all"], &[]).ends_with(1, "").reports("cargo xtask demo --all");
    services(&["mailer"], &[("OTEL_MESSAGING_KAFKA", "127.0.0.1:1")])
        .ends_with(1, "")
        .reports("OTEL_MESSAGING_RABBITMQ does not say where the broker is");
}

#[test]
fn telemetry_goes_to_the_users_collector_too() {
    let collector = Collector::start().unwrap();
    all(&["--orders", "4"], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())])
        .ends_with(0, "4 orders: 16 messages sent, 16 processed, 48 links found, 0 missing");
    let collected = collector.collected();
    assert_eq!(collected.refused, [""; 0]);
    // Of an order: a request that is asked and sent, answered, billed, mailed. Of the day: nightly's.
    let expected = [("billing", 20), ("mailer", 12), ("nightly", 6), ("shop", 16), ("stock", 12)];
    assert_eq!(spans(&collected).into_iter().collect::<Vec<_>>(), expected);
    let metrics: BTreeSet<_> =
        collected.metrics.iter().map(|it| service_of(it.resource.as_ref())).collect();
    assert_eq!(metrics.into_iter().collect::<Vec<_>>(), expected.map(|(service, _)| service));

    for request in all_spans(&collected).filter(|it| it.kind() == SpanKind::Server) {
        assert_eq!(request.name, "POST /orders");
        let attributes: BTreeMap<_, _> = request
            .attributes
            .iter()
            .map(|it| (it.key.as_str(), it.value.as_ref().unwrap().value.clone().unwrap()))
            .collect();
        let text = |text: &str| Value::StringValue(text.to_owned());
        let required = [
            ("http.request.method", text("POST")),
            ("http.response.status_code", Value::IntValue(202)),
            ("http.route", text("/orders")),
            ("network.protocol.version", text("1.1")),
            ("server.address", text("localhost")),
            ("server.port", Value::IntValue(8080)),
            ("url.path", text("/orders")),
            ("url.scheme", text("http")),
        ];
        assert_eq!(attributes, required.into());
    }
}

#[test]
fn a_collector_for_traces_need_not_take_metrics() {
    let collector = Collector::start().unwrap();
    let endpoint = collector.endpoint();
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_METRICS_EXPORTER", "none")];
    all(&["--orders", "2"], &variables)
        .ends_with(0, "2 orders: 8 messages sent, 8 processed, 24 links found, 0 missing")
        .shows("messaging.process.duration           mailer   process    invoices-* 2 ");
    let collected = collector.collected();
    assert_eq!(spans(&collected).len(), 5);
    assert!(collected.metrics.is_empty());
}

#[test]
fn a_collector_that_is_not_there_is_reported() {
    all(&["--orders", "2"], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")])
        .ends_with(1, "2 orders: 8 messages sent, 8 processed, 24 links found, 0 missing")
        .reports("shop    | failed: telemetry was not exported: ");
}

/// How many each service has exported.
fn spans(collected: &Collected) -> BTreeMap<&str, usize> {
    let mut spans = BTreeMap::new();
    for resource in &collected.spans {
        let count: usize = resource.scope_spans.iter().map(|scope| scope.spans.len()).sum();
        *spans.entry(service_of(resource.resource.as_ref())).or_default() += count;
    }
    spans
}

fn all_spans(collected: &Collected) -> impl Iterator<Item = &Span> {
    let scopes = collected.spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| &scope.spans)
}
