//! `cargo xtask demo --all` as a person runs it, on real brokers.

#![allow(clippy::unwrap_used, reason = "clippy spares test functions only, not what they call")]

mod support;

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use lapin::{Connection, ConnectionProperties, options::QueueDeclareOptions, types::FieldTable};
use otel_messaging::{async_nats, lapin, rdkafka};
use otel_messaging_integration_tests::{kafka, nats, rabbitmq};
use otel_messaging_testing::collector::{Collected, Collector, service_of};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    types::RDKafkaErrorCode,
};

use self::support::Run;

const SERVICES: &str = env!("CARGO_BIN_EXE_services");

/// Makes the command `services all` for the brokers of the test run.
fn command(args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = support::command(SERVICES, &[&["all"], args].concat(), variables);
    command.env("OTEL_MESSAGING_KAFKA", kafka());
    command.env("OTEL_MESSAGING_RABBITMQ", rabbitmq()).env("OTEL_MESSAGING_NATS", nats());
    command
}

fn all(args: &[&str], variables: &[(&str, &str)]) -> Run {
    Run::new(command(args, variables).output().unwrap())
}

#[tokio::test]
async fn every_order_can_be_followed_all_the_way() {
    let page = tempfile::NamedTempFile::new().unwrap();
    let run = all(&["--orders", "5", "--html", page.path().to_str().unwrap()], &[]);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<title>5 orders</title>") && page.contains("nightly"));
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
    leaves_nothing_behind(&run).await;
}

#[test]
fn the_orders_of_kafka_alone_may_use_a_real_cluster() {
    support::run(env!("CARGO_BIN_EXE_orders"), &["--messages", "5", "--brokers", &kafka()], &[])
        .ends_with(0, "5 orders: 10 messages sent, 10 processed, 30 links found, 0 missing");
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_run_leaves_nothing_behind() {
    let mut command = command(&["--orders", "10000"], &[]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("of 10000 orders") {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    stderr.read_to_string(&mut said).unwrap();
    let run = Run::new(child.wait_with_output().unwrap());
    assert_eq!(run.status, Some(1), "{said}");
    assert!(said.contains("failed: interrupted: what is shown is incomplete"), "{said}");
    leaves_nothing_behind(&run).await;
}

/// Asserts that the topic, the queue and the stream of a run are gone.
async fn leaves_nothing_behind(run: &Run) {
    let (_, rest) = run.stdout.split_once("request stock").unwrap();
    let suffix = rest.split_whitespace().next().unwrap();
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
    let deleted = admin.delete_topics(&[&topic], &AdminOptions::default()).await.unwrap();
    assert_eq!(deleted, [Err((topic, RDKafkaErrorCode::UnknownTopicOrPartition))]);
}

#[test]
fn the_nightly_batch_loses_no_link() {
    let closing = "200 orders: 800 messages sent, 800 processed, 2400 links found, 0 missing";
    all(&["--orders", "200"], &[]).ends_with(0, closing).shows(
        "│  200 links (128 on the span, 72 on its children) → publish day-book-* (billing) ",
    );
    all(&["--orders", "200"], &[("OTEL_SPAN_LINK_COUNT_LIMIT", "200")])
        .ends_with(0, closing)
        .shows("│  200 links → publish day-book-* (billing) ");
}

#[test]
fn one_trace_may_have_producer_and_consumer() {
    all(&["--orders", "5", "--one-trace"], &[])
        .ends_with(0, "5 orders: 20 messages sent, 20 processed, 60 links found, 0 missing")
        .shows("│  └─ process stock-* CONSUMER  stock ")
        .shows("   └─ process orders-* CONSUMER  billing ")
        .shows("      │  └─ process invoices-*CONSUMER  mailer ")
        .shows("process day-book-* CONSUMER  nightly ");
}

/// Returns the numbers in the last lines of a run with a sampler: those of the requests, then of hops.
fn sampled(sampler: &str, rate: &str) -> Vec<Vec<usize>> {
    let run = all(&["--orders", "40", "--sampler", sampler, "--sampling-rate", rate], &[]);
    assert_eq!(run.status, Some(0), "{}\n{}", run.stdout, run.stderr);
    let (_, kept) = run.stdout.split_once(&format!("\n{sampler}:{rate}: ")).unwrap();
    let numbers = |line: &str| line.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    kept.lines().map(numbers).collect()
}

#[test]
fn sticky_keeps_whole_chains() {
    let kept = sampled("sticky", "0.5");
    let requests = kept[0][0];
    assert!((1..40).contains(&requests), "{kept:?}");
    // The hops of single messages have one consumer for each kept request. The batch has one span.
    for (hop, numbers) in kept[1..].iter().enumerate() {
        let expected = if hop == 4 { numbers[0].min(1) } else { requests };
        assert_eq!(numbers[..], [expected; 3], "{kept:?}");
    }
}

#[test]
fn the_root_sampler_alone_breaks_chains() {
    let kept = sampled("root", "0.5");
    let (kafka, rabbitmq) = (&kept[3], &kept[4]);
    assert!(kafka[1] < kafka[0] && rabbitmq[2] < rabbitmq[0], "{kept:?}");
}

#[test]
fn a_service_without_spans_is_noticed() {
    all(&["--orders", "4", "--env", "mailer:OTEL_TRACES_SAMPLER=always_off"], &[])
        .ends_with(1, "4 orders: 16 messages sent, 12 processed, 36 links found, 4 missing")
        .reports("no span of mailer came")
        .reports("4 of 4 orders cannot be followed from billing to mailer (RabbitMQ)");
    // What mailer and nightly received, processed and acknowledged links to spans of billing.
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
    let services = |args: &[&str], variables: &[_]| support::run(SERVICES, args, variables);
    services(&["all", "--order", "3"], &[]).ends_with(2, "").reports("unexpected argument");
    services(&["all", "--env", "all:A=b"], &[]).ends_with(2, "").reports("before the colon");
    services(&["shops"], &[]).ends_with(2, "").reports("unrecognized subcommand 'shops'");
    services(&["all"], &[]).ends_with(1, "").reports("cargo xtask demo --all");
    services(&["mailer"], &[("OTEL_MESSAGING_KAFKA", "127.0.0.1:1")])
        .ends_with(1, "")
        .reports("OTEL_MESSAGING_RABBITMQ does not say where the broker is");
}

#[test]
fn telemetry_also_goes_to_the_users_collector() {
    let collector = Collector::start().unwrap();
    all(&["--orders", "4"], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())])
        .ends_with(0, "4 orders: 16 messages sent, 16 processed, 48 links found, 0 missing");
    let collected = collector.collected();
    assert_eq!(collected.refused, [""; 0]);
    // Of an order: a request that is asked and sent, answered, billed, mailed. Of the day: nightly's.
    let expected = [("billing", 20), ("mailer", 12), ("nightly", 6), ("shop", 16), ("stock", 12)];
    assert_eq!(count_spans(&collected), expected.into());
    let metrics = collected.metrics.iter().map(|it| (service_of(it.resource.as_ref()), 0));
    let metrics: BTreeMap<&str, usize> = metrics.collect();
    assert!(metrics.into_keys().eq(expected.map(|(service, _)| service)));
}

/// Counts the spans that each service exported.
fn count_spans(collected: &Collected) -> BTreeMap<&str, usize> {
    let mut spans = BTreeMap::new();
    for resource in &collected.spans {
        let count: usize = resource.scope_spans.iter().map(|scope| scope.spans.len()).sum();
        *spans.entry(service_of(resource.resource.as_ref())).or_default() += count;
    }
    spans
}
